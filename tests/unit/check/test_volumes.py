"""Hooks and checks of the profile that fit nothing, and a cluster that takes no snapshots."""

from collections.abc import Sequence
from typing import Any

import pytest

from tasks.check.models import FittingPod, SnapshotController, State
from tasks.check.policy.volumes import judge_command, judge_controller, judge_snapshots, subject_of, uses_volumes
from tasks.check.probes.volumes import parse_controller, parse_fitting
from tasks.core.models.outside import DEFAULT_SNAPSHOT_CLASS, Metadata, SnapshotClass
from tasks.core.models.profile import VolumeCheck, VolumeHook, VolumeRules
from tests.facts.profiles import profile_of

HOOK = VolumeHook(name="db", namespace="shop", labels="app=db", container="mysql", freeze=("a",), thaw=("b",))
CHECK = VolumeCheck(name="db", namespace="shop", labels="app=db", container="mysql", command=("a",))
DB = FittingPod(name="db-0", containers=("mysql", "agent"), has_claim=True)


@pytest.mark.parametrize(
    ("pods", "state", "told", "fix"),
    [
        (None, State.WARN, "there is no namespace shop", "create it, or correct volumes.hooks of the profile"),
        ([], State.WARN, "no pod in shop has the labels app=db", "start its workload, or correct the labels"),
        (
            [DB, FittingPod(name="x", containers=("web",), has_claim=True)],
            State.FAIL,
            "the pod shop/x has no container mysql, it has web",
            "correct the container or the labels in volumes.hooks of the profile",
        ),
        (
            [DB.model_copy(update={"has_claim": False})],
            State.WARN,
            "no pod in shop with the labels app=db uses a claim",
            "correct the labels in volumes.hooks of the profile",
        ),
        ([DB, DB], State.OK, "2 pods in shop with the container mysql", ""),
    ],
    ids=["namespace", "labels", "container", "claim", "ok"],
)
def test_a_hook_is_judged_by_the_pods_that_it_fits(
    pods: Sequence[FittingPod] | None, state: State, told: str, fix: str
) -> None:
    """Only what makes a run refuse is a failure."""
    found = judge_command(HOOK, pods)
    assert (found.subject, found.state, found.told) == ("hook db", state, told)
    assert fix in found.fix


def test_a_check_names_its_own_field() -> None:
    """As the profile has it."""
    assert subject_of(CHECK) == "check db"
    assert judge_command(CHECK, None).fix == "create it, or correct volumes.checks of the profile"


def one(name: str, *, default: bool = True) -> SnapshotClass:
    """Of one driver."""
    note = {DEFAULT_SNAPSHOT_CLASS: "true" if default else "false"}
    return SnapshotClass(
        metadata=Metadata(name=name, annotations=note), driver="csi.example.com", deletion_policy="Delete"
    )


@pytest.mark.parametrize(
    ("classes", "state", "told"),
    [
        (None, State.WARN, "the API does not serve snapshot.storage.k8s.io/v1"),
        ([], State.WARN, "there is no VolumeSnapshotClass"),
        ([one("a"), one("b")], State.WARN, "more than one VolumeSnapshotClass is the default of csi.example.com"),
        (
            [one("a"), one("b", default=False)],
            State.OK,
            "VolumeSnapshotClasses: a (csi.example.com), b (csi.example.com)",
        ),
    ],
    ids=["no group", "no class", "two defaults", "ok"],
)
def test_snapshots_need_the_api_and_a_class(classes: Sequence[SnapshotClass] | None, state: State, told: str) -> None:
    """Without them there are only archives."""
    found = judge_snapshots(classes)
    assert (found.state, found.told.startswith(told), bool(found.fix)) == (state, True, state is not State.OK)


def test_a_controller_that_is_not_seen_is_no_failure() -> None:
    """A provider may run it elsewhere. One without a pod makes no snapshot ready."""
    stopped, runs = SnapshotController(id="kube-system/a"), SnapshotController(id="kube-system/b", available=1)
    assert judge_controller([]).state is State.NOT_CHECKED
    assert (
        judge_controller([stopped]).told == "the Deployment kube-system/a has no available pod: no snapshot gets ready"
    )
    assert judge_controller([stopped]).fix == "kubectl -n kube-system describe deployment a"
    assert judge_controller([stopped, runs]).told == "kube-system/b is available"


def test_only_a_profile_with_something_for_volumes_is_looked_at() -> None:
    """A hook, a check, or a schedule of the backup."""
    plain = profile_of("cp1")
    assert not uses_volumes(plain)
    assert uses_volumes(plain.model_copy(update={"volumes": VolumeRules(hooks=(HOOK,))}))
    assert uses_volumes(plain.model_copy(update={"volumes": VolumeRules(checks=(CHECK,))}))
    assert uses_volumes(plain.model_copy(update={"schedules": {"volumes_backup": ("x",)}}))


def test_answers_are_parsed() -> None:
    """Pods that have finished do not count, and other Deployments are no controller."""
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
    pod: dict[str, Any] = {
        "metadata": {"name": "db-0", "namespace": "shop", "uid": "1"},
        "spec": {"containers": [{"name": "mysql"}], "volumes": [claim]},
        "status": {"phase": "Running"},
    }
    assert parse_fitting(pod) == FittingPod(name="db-0", containers=("mysql",), has_claim=True)
    assert parse_fitting(pod | {"status": {"phase": "Succeeded"}}) is None
    image = {"containers": [{"name": "x", "image": "registry.k8s.io/sig-storage/snapshot-controller:v8.7.0"}]}
    body = {
        "metadata": {"namespace": "kube-system", "name": "a"},
        "spec": {"template": {"spec": image}},
        "status": {"availableReplicas": 1},
    }
    assert parse_controller(body) == SnapshotController(id="kube-system/a", available=1)
    assert parse_controller(body | {"spec": {}}) is None
