"""What people do to a cluster once kubeadm is done: they edit manifests and kubelet's configuration."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import yaml

from tests.lab.host import LabError
from tests.lab.machine import Machine
from tests.lab.odd import AUDIT, ENCRYPTION, ENCRYPTION_FLAG, PATCHES
from tests.lab.shape import Role, Shape
from tests.servers.processes import wait_until

MANIFESTS, KUBELET = "/etc/kubernetes/manifests", "/var/lib/kubelet/config.yaml"
LIMIT = 240.0
HAND_EDITED = (
    f"--audit-policy-file={AUDIT}/policy.yaml",
    "--audit-log-path=/var/log/kubernetes/audit.log",
    "--audit-log-maxage=7",
    "--oidc-issuer-url=https://login.lab.invalid",
    "--oidc-client-id=kubernetes",
)
"""Flags of the API server."""

SITE = "/etc/ssl/site"
"""A folder that the controller manager has mounted."""

Kubectl = Callable[..., str]


def edit(shape: Shape, nodes: Sequence[Machine], kubectl: Kubectl) -> str:
    """Says what it did; the kubelets and the control plane may be starting afterwards."""
    done = ""
    planes = [machine for machine in nodes if machine.place.role is Role.CONTROL_PLANE]
    if shape.kubelet_healthz == "0" or shape.kubelet_healthz.startswith("node:"):
        done += " healthz"
        _move_healthz(shape, nodes, kubectl)
    if shape.hand_edited:
        done += " manifests"
        for machine in planes:
            _edit_manifests(machine, encrypts=not shape.encrypted_secrets)
    if shape.hand_edited or shape.encrypted_secrets:
        done += " a Secret"
        _make_secret(planes, kubectl)
    return done and f"edit{done}"


def _make_secret(planes: Sequence[Machine], kubectl: Kubectl) -> None:
    """Once every API server encrypts."""
    for machine in planes:
        wait_until(partial(_encrypts, machine), LIMIT, f"the API server of {machine.name} encrypts")
    wait_until(partial(_is_made, kubectl), LIMIT, "the Secret is made through the load balancer")


def _is_made(kubectl: Kubectl) -> bool:
    """A load balancer needs a while until it sees the API servers again, and may lose the answer."""
    with suppress(LabError):
        kubectl("create", "secret", "generic", "hidden", "--from-literal=a=b")
    with suppress(LabError):
        return "hidden" in kubectl("get", "secrets", "--output=name")
    return False


def _encrypts(machine: Machine) -> bool:
    server = f"--kubeconfig=/etc/kubernetes/admin.conf --server=https://{machine.place.url_host}:6443"
    asked = f"pgrep -f 'kube-apiserver .*{ENCRYPTION_FLAG}' > /dev/null && kubectl {server} get --raw=/readyz || true"
    return machine.run(asked).endswith("ok")


def _edit_manifests(machine: Machine, *, encrypts: bool) -> None:
    machine.run(f"mkdir -p /var/log/kubernetes {SITE}")
    mounts = {"audit": AUDIT, "audit-log": "/var/log/kubernetes"} | ({"encryption": ENCRYPTION} if encrypts else {})
    flags = (*HAND_EDITED, ENCRYPTION_FLAG) if encrypts else HAND_EDITED
    _edit_manifest(machine, "kube-apiserver", flags, mounts)
    _edit_manifest(machine, "kube-controller-manager", ("--profiling=false",), {"site": SITE})
    machine.run(f"sed -i 's/^    - \\(--.*\\)$/    - \"\\1\"/' {MANIFESTS}/etcd.yaml")  # means the same


def _edit_manifest(machine: Machine, name: str, flags: Sequence[str], mounts: dict[str, str]) -> None:
    pod = yaml.safe_load(machine.read(f"{MANIFESTS}/{name}.yaml"))
    container = pod["spec"]["containers"][0]
    container["command"] += flags
    container["volumeMounts"] += [{"name": volume, "mountPath": path} for volume, path in mounts.items()]
    pod["spec"]["volumes"] += [{"name": volume, "hostPath": {"path": path}} for volume, path in mounts.items()]
    machine.write(f"{MANIFESTS}/{name}.yaml", yaml.safe_dump(pod, sort_keys=False))


def _move_healthz(shape: Shape, nodes: Sequence[Machine], kubectl: Kubectl) -> None:
    """Onto each node, and where kubeadm has it from: kubelet-config, or (it has no address of one node) the patches."""
    nowhere = shape.kubelet_healthz == "0"
    for machine in nodes:
        change = {"healthzPort": 0} if nowhere else {"healthzBindAddress": machine.address}
        configuration = yaml.safe_load(machine.read(KUBELET)) | change
        machine.write(KUBELET, yaml.safe_dump(configuration, sort_keys=False), mode="644")
        if shape.patches and not nowhere:
            machine.write(f"{PATCHES}/kubeletconfiguration0+merge.yaml", yaml.safe_dump(change), mode="644")
        machine.run("systemctl restart kubelet")
    if nowhere:
        found: dict[str, Any] = json.loads(
            kubectl("get", "configmap", "kubelet-config", "--namespace=kube-system", "--output=json")
        )
        found["data"]["kubelet"] = yaml.safe_dump(yaml.safe_load(found["data"]["kubelet"]) | {"healthzPort": 0})
        kubectl("replace", "--namespace=kube-system", "--filename=-", text=json.dumps(found))
