"""Pods and a NetworkPolicy that lets one of them reach another; and what an audit says of the network."""

from typing import Any

from tests.lab.images import WORKLOAD


def _pod(name: str, command: str) -> str:
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: walled, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  nodeName: w1
  containers: [{{name: main, image: {WORKLOAD}, command: [/bin/busybox, sh, -c, "{command}"]}}]
---
"""


WALLED = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: walled}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: friends, namespace: walled}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: friend}}}}}}]}}]
---
{_pod("web", "exec busybox httpd -f -p 8080")}{_pod("friend", "exec busybox sleep 9999")}{_pod("other", "exec busybox sleep 9999")}"""


def enforcement_of(report: dict[str, Any]) -> dict[str, Any]:
    """What the audit says of the network."""
    found: dict[str, Any] = next(one["evidence"] for one in report["done"] if one["step"] == "audit access")
    return dict(found["enforcement"])
