"""Another scheduler and another controller manager go on, or it is told why not."""

from typing import Any

import pytest

from tasks.node_work.models.controllers import COMPONENTS, Controllers, Instance, Leader
from tasks.node_work.policy.controllers import what_controllers_lack
from tasks.node_work.probes.controllers import holder_of, parse_instances, renewal_of, seconds_of

SCHEDULER, MANAGER = COMPONENTS


def instances(**problems: str) -> tuple[Instance, ...]:
    """Both on each node, with what ails them there."""
    return tuple(
        Instance(component=name, node=node, problem=problem, lease=f"kube-system/{name}")
        for node, problem in problems.items()
        for name in COMPONENTS
    )


def leader(*, is_alive: bool = True, holder: str = "cp1_7f") -> Leader:
    """Of the schedulers."""
    lease = "kube-system/kube-scheduler"
    return Leader(component=SCHEDULER, lease=lease, holder=holder, seconds=15, is_alive=is_alive)


def test_one_ready_instance_elsewhere_is_enough() -> None:
    """Which of them leads does not matter: another one takes over."""
    seen = Controllers(instances=instances(cp2="its pod is not Ready: CrashLoopBackOff", cp3=""), leaders=(leader(),))
    assert what_controllers_lack(seen, ["cp2", "cp3"]) == []


def test_the_only_control_plane_node_has_nobody_to_ask() -> None:
    """What goes away with it is another question: allow_downtime."""
    assert what_controllers_lack(Controllers(leaders=(leader(is_alive=False),)), []) == []


def test_who_allows_a_downtime_may_disturb_the_only_one_that_counts() -> None:
    """All others are out of service, as for the API server. One that counts and does not work is no downtime that was allowed."""
    seen = Controllers(instances=instances(cp2="its pod is not Ready: CrashLoopBackOff", cp3=""))
    assert what_controllers_lack(seen, ["cp2", "cp3"], out=["cp2", "cp3"], allow_downtime=True) == []
    assert len(what_controllers_lack(seen, ["cp2", "cp3"], out=["cp2", "cp3"])) == len(COMPONENTS)
    assert len(what_controllers_lack(seen, ["cp2", "cp3"], out=["cp3"], allow_downtime=True)) == len(COMPONENTS)


def test_nobody_else_would_go_on() -> None:
    """Each component with the reason of each node: not Ready, out of service, none there."""
    seen = Controllers(instances=(*instances(cp2="its pod is not Ready: CrashLoopBackOff"), instances(cp3="")[0]))
    crashing = "cp2 (its pod is not Ready: CrashLoopBackOff)"
    assert what_controllers_lack(seen, ["cp2", "cp3"], out=["cp3"]) == [
        f"no other {name} is ready: {crashing}, cp3 (its node is cordoned or not Ready)" for name in COMPONENTS
    ]
    assert what_controllers_lack(seen, ["cp2", "cp3"]) == [
        f"no other {MANAGER} is ready: {crashing}, cp3 (it has none)"
    ]


@pytest.mark.parametrize(
    ("leads", "told"),
    [
        (leader(is_alive=False), "cp1_7f has not renewed the Lease kube-system/kube-scheduler for 15 s"),
        (leader(is_alive=False, holder=""), "the Lease kube-system/kube-scheduler has no holder"),
    ],
)
def test_a_leader_that_does_not_renew_its_lease_does_not_work(leads: Leader, told: str) -> None:
    """Whoever is Ready."""
    seen = Controllers(instances=instances(cp2=""), leaders=(leads,))
    assert what_controllers_lack(seen, ["cp2"]) == [f"no {SCHEDULER} leads: {told}"]


def pod(name: str, *flags: str, ready: bool = True, mirror: bool = True, **metadata: str) -> dict[str, Any]:
    """A static pod as the API has it."""
    notes = {"kubernetes.io/config.mirror": "0f"} if mirror else {}
    return {
        "metadata": {"namespace": "kube-system", "name": name, "uid": name, "annotations": notes, **metadata},
        "spec": {"containers": [{"command": ["kube-scheduler", "--bind-address=127.0.0.1", *flags]}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}] if not ready else [],
        },
    }


@pytest.mark.parametrize(
    ("flags", "lease"),
    [
        ([], "kube-system/kube-scheduler"),
        (["--leader-elect=true"], "kube-system/kube-scheduler"),
        (["--leader-elect-resource-name=s", "--leader-elect-resource-namespace=n"], "n/s"),
        (["--leader-elect=false"], ""),
        (["--config=/etc/kubernetes/scheduler.yaml"], ""),
    ],
)
def test_the_lease_is_the_one_that_its_flags_name(flags: list[str], lease: str) -> None:
    """Where a configuration file names it, it is not known here."""
    (found,) = parse_instances("cp2", [pod("kube-scheduler-cp2", *flags)])
    assert found == Instance(component=SCHEDULER, node="cp2", lease=lease)


def test_an_instance_is_the_static_pod_of_the_component() -> None:
    """No other pod that is called so; one that is not Ready or on its way out does not count."""
    crashing = pod("kube-controller-manager-cp2", ready=False)
    going = pod("kube-scheduler-cp2", deletionTimestamp="2026-11-24T12:00:00Z")
    found = parse_instances("cp2", [crashing, going, pod("kube-scheduler-cp1")])
    assert {one.component: one.problem for one in found} == {
        SCHEDULER: "its pod is being deleted",
        MANAGER: "its pod is not Ready: CrashLoopBackOff",
    }
    assert parse_instances("cp2", [pod("kube-scheduler-cp2", mirror=False)]) == ()


def test_a_lease_that_is_not_there_has_no_holder() -> None:
    """Nor one that nobody has taken yet."""
    spec = {"holderIdentity": "cp1_7f", "renewTime": "2026-11-24T12:00:00.000000Z", "leaseDurationSeconds": 30}
    assert (holder_of({"spec": spec}), renewal_of({"spec": spec}), seconds_of({"spec": spec})) == (
        "cp1_7f",
        "2026-11-24T12:00:00.000000Z",
        30,
    )
    assert (holder_of(None), renewal_of(None), seconds_of({})) == ("", "", 15)
