"""Clusters as they are: every runbook on shapes that kubeadm's defaults do not have, in its plan, and in the acts that matter most.

openssl, kubectl and the manifests are the judges.
"""

import json
import pkgutil
from typing import Any

import pytest
import yaml

import flows
from tests.e2e.conftest import TARGET
from tests.e2e.site import LabSite
from tests.lab.edits import HAND_EDITED, MANIFESTS
from tests.lab.machine import Machine
from tests.lab.odd import ENCRYPTION_FLAG, PATCHED_FLAG
from tests.lab.services import LOAD_BALANCER
from tests.lab.shape import ALL_SERVICES, subnets
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(1800)

QUICK: dict[str, Any] = {"stable_for": "3s", "allow_downtime": True}
UPGRADE: dict[str, Any] = {"version": TARGET, "options": QUICK | {"etcd_image_tag": "default"}}
ROTATION: dict[str, Any] = {"options": {"renew_before": "400d", "allow_downtime": True}}
DNS = "deployment/coredns"
RESTART: dict[str, Any] = {
    "changes": [{"namespace": "kube-system", "workload": DNS, "restart": True}],
    "reason": "INC-4711",
}
ASKED: dict[str, Any] = {"node": "w1", "reason": "its disk hangs", "ticket": "INC-4711"}

READ_ONLY: dict[str, dict[str, Any]] = {
    "access_audit": {},
    "access_drift": {},
    "certificate_inventory": {},
    "etcd_health": {},
    "etcd_backup_to_s3": {"route": "node", "drill": True, "pki": False},
    "etcd_restore_drill": {},
    "resources_backup_to_s3": {},
    "resources_restore_drill": {"namespaces": ["default"]},
    "workload_status": {"namespace": "kube-system"},
    "workload_history": {"namespace": "kube-system"},
}
"""Runbooks without a mode, in an order that gives each what it needs."""

IDLE = {"node_uncordon", "etcd_maintenance", "node_os_patch", "certificate_issue", "resources_restore"}
"""With nothing to do on a cluster that has just begun."""

LEAVES = ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client")
ETCD_LEAVES = ("etcd/server", "etcd/peer", "etcd/healthcheck-client")


def plans_of(site: LabSite) -> dict[str, dict[str, Any]]:
    """Runbooks with a mode, and what they are asked for on a cluster of one control plane and one worker."""
    shape, first = site.lab.shape, site.lab["cp1"]
    request = {
        "control_planes": [{"name": first.name, "address": first.address}],
        "endpoint": f"{shape.balancer}:{LOAD_BALANCER}",
        "version": shape.kubernetes,
        "service_subnet": subnets(ALL_SERVICES, shape.families),
    } | ({"dns_domain": shape.dns_domain} if shape.dns_domain else {})
    return {
        "rolling_upgrade": UPGRADE,
        "node_os_patch": {"options": QUICK | {"scope": "all"}},
        "node_reboot": ASKED,
        "node_drain": ASKED,
        "node_uncordon": ASKED,
        "cert_rotation": ROTATION,
        "ca_rotation": {"authority": "ca", "stage": "trust-both", "options": {"allow_downtime": True}},
        "certificate_issue": {"request": request},
        "etcd_maintenance": {"allow_downtime": True},
        "etcd_restore_from_s3": {"replace_healthy": True},
        "user_access": {"user": "ada"},
        "user_revoke": {"user": "ada"},
        "access_apply": {},
        "registry_credentials": {"registry": "registry.example"},
        "resources_restore": {"select": {"namespaces": ["kube-system"]}},
        "volumes_backup": {"select": {"namespaces": ["kube-system"]}},
        "volumes_restore": {"select": {"namespaces": ["kube-system"]}},
        "workload_rollout": RESTART,
        "workload_rollback": {"namespace": "kube-system", "workloads": [DNS], "reason": "INC-4711"},
    }


def test_every_runbook_on_a_cluster_as_odd_as_can_be(odd: LabSite) -> None:
    """In its plan; and a backup, a drain and a rotation of all leaves are done."""
    plan_all(odd)
    act(odd)


@pytest.mark.full
def test_an_upgrade_of_a_cluster_as_odd_as_can_be(odd: LabSite) -> None:
    """It takes six minutes: CI has its plan, by the test above."""
    upgrade(odd)


@pytest.mark.full
def test_every_runbook_on_the_other_shapes(other_odd: LabSite) -> None:
    """The same; where encryption at rest stands in the manifest alone, the upgrade is refused."""
    plan_all(other_odd)
    act(other_odd)
    if not encrypts_by_hand(other_odd):
        upgrade(other_odd)


def plan_all(site: LabSite) -> None:
    """All at once, so that one run says all that is wrong."""
    wanted, wrong = plans_of(site), {}
    assert set(READ_ONLY) | set(wanted) == {one.name for one in pkgutil.iter_modules(flows.__path__)}
    for runbook, given in {**READ_ONLY, **{name: given | {"mode": "plan"} for name, given in wanted.items()}}.items():
        report = site.run(runbook, **given)
        if problem := what_is_wrong(site, runbook, report):
            wrong[runbook] = problem
    assert wrong == {}, json.dumps(wrong, indent=2)


def refusal_of(site: LabSite, runbook: str) -> str:
    """What the refusal of a runbook names that has to refuse this cluster; empty if it has to go on."""
    if runbook in {"user_access", "user_revoke"}:
        return "has no access policy" if runbook == "user_access" else "nothing is known of this user"
    if runbook == "rolling_upgrade" and encrypts_by_hand(site):
        return ENCRYPTION_FLAG
    if runbook in {"access_apply", "access_drift"}:
        return "the cluster has no access policy"
    if runbook == "registry_credentials":
        return "has no credential of registry.example"  # there is no access policy
    if runbook in {"volumes_backup", "volumes_restore"}:
        return (
            "there is no backup of volumes"
            if runbook == "volumes_restore"
            else "does not serve snapshot.storage.k8s.io/v1"
        )
    return "certificatesDir" if runbook == "certificate_issue" and site.lab.shape.certificates_dir else ""


def what_is_wrong(site: LabSite, runbook: str, report: dict[str, Any]) -> str:
    """With a report; empty when it is as it should be. The DNS of a new cluster has no revision to go back to."""
    if refusal := refusal_of(site, runbook):
        return "" if refusal in report["problem"] else f"not refused because of {refusal}: {report}"
    if runbook == "workload_rollback" and "it has no revision before this one" in report["problem"]:
        return ""
    if report["outcome"] != "completed":
        return f"{report['outcome']}: {report['problem']} -> {report['next_step']}"
    if runbook in plans_of(site) and runbook not in IDLE and not report["plan"]["steps"]:
        return f"no step: {report['plan']}"
    if runbook == "cert_rotation":
        acts = json.dumps(report["plan"]["steps"])
        missing = [leaf for leaf in (*LEAVES, *ETCD_LEAVES) if leaf.replace("/", "-") not in acts]
        return f"no step for {missing}: {acts}" if missing else ""
    return ""


def act(site: LabSite) -> None:
    """What a cluster's people do most; the backup was taken above."""
    lab = site.lab
    done(site, "node_drain", **ASKED)
    assert site.is_cordoned("w1")
    done(site, "node_uncordon", **ASKED)
    assert not site.is_cordoned("w1")
    before = serials(lab["cp1"])
    done(site, "cert_rotation", **ROTATION)
    after = serials(lab["cp1"])
    assert {name for name in after if after[name] == before[name]} == set()
    served = lab["cp1"].run(
        f"openssl s_client -connect {lab['cp1'].place.url_host}:6443 < /dev/null 2> /dev/null | openssl x509 -noout -serial"
    )
    assert served == after["apiserver"]


def upgrade(site: LabSite) -> None:
    """To the next minor: what the plan says goes is gone, all else has stayed."""
    lab, shape = site.lab, site.lab.shape
    report = done(site, "rolling_upgrade", **UPGRADE)
    cautions = json.dumps(report["plan"]["cautions"])
    versions = {node["status"]["nodeInfo"]["kubeletVersion"] for node in lab.get("nodes")}
    assert versions == {f"v{TARGET}"}
    wait_until(lambda: flags(lab["cp1"]), 60, "the API server has a manifest")
    gone = set(HAND_EDITED) - set(flags(lab["cp1"]))
    assert gone == (set(HAND_EDITED) if shape.hand_edited else gone)
    if shape.hand_edited:
        assert all(flag in cautions for flag in HAND_EDITED), cautions
    assert (PATCHED_FLAG in flags(lab["cp1"])) is shape.patches
    assert PATCHED_FLAG not in cautions
    if shape.encrypted_secrets:
        assert ENCRYPTION_FLAG in flags(lab["cp1"])
        assert lab.kubectl("get", "secret", "hidden", "--output=jsonpath={.data.a}") == "Yg=="
    lab.wait_until_ready()


def done(site: LabSite, runbook: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - of any runbook
    """Its report, once it has come to its end."""
    report = site.run(runbook, mode="apply", **given)
    assert report["outcome"] == "completed", f"{runbook}: {report['problem']} -> {report['next_step']}"
    return report


def encrypts_by_hand(site: LabSite) -> bool:
    """Nothing but the manifest says that Secrets are encrypted."""
    return site.lab.shape.hand_edited and not site.lab.shape.encrypted_secrets


def serials(machine: Machine) -> dict[str, str]:
    """Of the leaves, by openssl."""
    pki = machine.shape.pki
    return {leaf: machine.run(f"openssl x509 -noout -serial -in {pki}/{leaf}.crt") for leaf in (*LEAVES, *ETCD_LEAVES)}


def flags(machine: Machine) -> list[str]:
    """Of the API server's manifest."""
    pod = yaml.safe_load(machine.read(f"{MANIFESTS}/kube-apiserver.yaml"))
    found: list[str] = pod["spec"]["containers"][0]["command"]
    return found
