"""`access_audit` on a kubeadm cluster: what kubeadm gives is no finding, and what it leaves open is one."""

from collections.abc import Iterator

import pytest

from tests.e2e.site import LabSite
from tests.e2e.walled import WALLED, enforcement_of

PREFIXES = ("api-", "kubelet-", "absent-", "deprecated-")


def test_a_cluster_as_kubeadm_makes_it_has_no_finding_of_severity_high(small: LabSite) -> None:
    """The flags of its API server and the configuration of its kubelets are read from the nodes; nothing is left out."""
    report = small.run("access_audit")
    assert report["outcome"] == "completed"
    audit = next(one["evidence"] for one in report["done"] if one["step"] == "audit access")
    assert audit["not_checked"] == []
    assert {one["id"] for one in audit["findings"] if one["check"].startswith(PREFIXES)} == {
        "api-no-audit-log",
        "api-no-encryption",
        "api-anonymous",
        "api-profiling",
        "api-trusts-kubelets",
    }
    assert "high" not in {one["severity"] for one in audit["findings"]}


WALL = """\
for space in /run/netns/*; do
  if nsenter --net="$space" ip -o address | grep -q " {web}/"; then
    node=$(nsenter --net="$space" ip route show default | cut -d ' ' -f 3)
    nsenter --net="$space" nft add table ip wall
    nsenter --net="$space" nft 'add chain ip wall in {{ type filter hook input priority 0; }}'
    nsenter --net="$space" nft "add rule ip wall in ip saddr != {{ {friend}, $node }} tcp dport 8080 drop"
    exit 0
  fi
done
exit 1
"""
"""What an agent that enforces the policy does in the network namespace of the pod: it lets in the friend and the node."""


@pytest.fixture
def walled(small: LabSite) -> Iterator[LabSite]:
    """Three pods and a policy that lets one of them reach another."""
    small.lab.kubectl("apply", "-f", "-", text=WALLED)
    try:
        small.lab.kubectl("-n", "walled", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s", limit=100)
        yield small
    finally:
        small.lab.kubectl("delete", "namespace", "walled", "--timeout=90s", limit=100)


def test_a_network_that_ignores_policies_is_found_from_the_pods_themselves(walled: LabSite) -> None:
    """The lab's bridge does. With an agent that drops the packets, the same policy is enforced. Nothing is created."""
    report = walled.run("access_audit")
    assert (report["outcome"], "network-not-enforced" in report["problem"]) == ("refused", True)
    seen = enforcement_of(report)
    assert seen["verdict"] == "not enforced"
    tries = {(one["source"], one["target"], one["is_denied"]): one["seen"] for one in seen["tries"]}
    assert tries["walled/other", "walled/web", True] == "open"
    pods = {one["metadata"]["name"]: one["status"]["podIP"] for one in walled.lab.get("pods", "-n", "walled")}
    walled.lab["w1"].run(WALL.format(**pods))
    report = walled.run("access_audit")
    seen = enforcement_of(report)
    tries = {(one["source"], one["target"], one["is_denied"]): one["seen"] for one in seen["tries"]}
    assert (report["outcome"], seen["verdict"], set(tries.values())) == ("completed", "enforced", {"open", "dropped"})
    assert tries["walled/other", "walled/web", True] == "dropped"
    assert tries["walled/friend", "walled/web", False] == tries["node w1", "walled/web", False] == "open"
