"""Workloads, pods and namespaces as the Pod Security Standards see them."""

from typing import Any

import pytest

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.pod_security.models import Level, Namespace, Workload
from tasks.pod_security.policy.workloads import could_enforce, images_of, judge, patch_for, shown_patch
from tasks.pod_security.probes.pods import KINDS, parse_found, parse_namespace

JSON = dict[str, Any]
META = {"name": "web", "namespace": "shop", "uid": "u"}
PRIVILEGED: JSON = {"spec": {"containers": [{"name": "web", "securityContext": {"privileged": True}}]}}


def owned(kind: str, *, controller: bool = True) -> JSON:
    """Metadata of an object that another object makes."""
    owner = {"kind": kind, "apiVersion": "v1", "name": "o", "uid": "u", "controller": controller}
    return META | {"ownerReferences": [owner]}


def workload(level: Level, namespace: str = "shop") -> Workload:
    """A Deployment that fits a level, and no stricter one."""
    pods: dict[Level, JSON] = {
        Level.PRIVILEGED: PRIVILEGED,
        Level.BASELINE: {"spec": {"containers": [{"name": "web"}]}},
        Level.RESTRICTED: {"spec": {}},
    }
    raw = {"metadata": META, "spec": {"template": pods[level]}}
    found = parse_found("Deployment", raw)
    assert found
    return Workload(
        kind="Deployment",
        namespace=namespace,
        name="web",
        path=found.path,
        template=KINDS["Deployment"].template,
        violations=judge(found.pod, 37),
    )


@pytest.mark.parametrize(
    ("kind", "raw", "path"),
    [
        ("Deployment", {"spec": {"template": PRIVILEGED}}, "/apis/apps/v1/namespaces/shop/deployments/web"),
        (
            "CronJob",
            {"spec": {"jobTemplate": {"spec": {"template": PRIVILEGED}}}},
            "/apis/batch/v1/namespaces/shop/cronjobs/web",
        ),
        ("Pod", PRIVILEGED, "/api/v1/namespaces/shop/pods/web"),
    ],
)
def test_the_pod_of_a_workload_is_found(kind: str, raw: JSON, path: str) -> None:
    """Where each kind has it."""
    found = parse_found(kind, {"metadata": META, **raw})
    assert found
    assert found.path == path
    assert found.pod.spec.containers[0].security_context.privileged


@pytest.mark.parametrize(
    ("metadata", "is_judged"),
    [
        (META, True),
        (owned("ReplicaSet"), False),
        (owned("ReplicaSet", controller=False), True),
        (owned("Rollout"), True),
        (owned("Node"), True),
    ],
)
def test_who_makes_a_pod_is_judged_and_not_the_pod(metadata: JSON, *, is_judged: bool) -> None:
    """A pod of an operator is judged itself: what its operator writes into it nobody knows."""
    assert bool(parse_found("Pod", {"metadata": metadata, **PRIVILEGED})) is is_judged


def test_a_pod_that_cannot_be_parsed_is_no_fine_pod() -> None:
    """The error names it."""
    with pytest.raises(NotYet, match=r"the pod of pod shop/web could not be parsed: spec\.containers"):
        parse_found("Pod", {"metadata": META, "spec": {"containers": 7}})


@pytest.mark.parametrize(
    ("labels", "level"),
    [
        ({}, Level.PRIVILEGED),
        ({"pod-security.kubernetes.io/enforce": "baseline"}, Level.BASELINE),
        ({"pod-security.kubernetes.io/enforce": "basline"}, Level.RESTRICTED),
    ],
)
def test_a_namespace_enforces_its_label(labels: JSON, level: Level) -> None:
    """As the API server reads it: what it does not know is restricted."""
    assert parse_namespace({"metadata": {"name": "shop", "labels": labels}}).enforces is level


def test_images_are_those_of_all_containers() -> None:
    """Each once; init containers, too."""
    spec = {
        "initContainers": [{"name": "a", "image": "i:1"}],
        "containers": [{"name": "b", "image": "w:1"}, {"name": "c", "image": "i:1"}, {"name": "d"}],
    }
    assert images_of(outside.SecuredPod.read({"spec": spec}, "a pod")) == ("i:1", "w:1")


def test_the_patch_of_a_workload_is_below_its_template() -> None:
    """As kubectl patch wants it."""
    patch = patch_for(workload(Level.PRIVILEGED))
    assert list(patch["spec"]["template"]) == ["spec"]
    assert shown_patch({"b": 1, "a": {"c": True}}) == '{"a":{"c":true},"b":1}'
    assert patch_for(workload(Level.RESTRICTED)) == {}


def test_a_namespace_could_enforce_what_all_its_workloads_fit() -> None:
    """Without a workload nobody knows."""
    shop = Namespace(name="shop")
    mixed = [workload(Level.BASELINE), workload(Level.RESTRICTED), workload(Level.PRIVILEGED, "other")]
    assert could_enforce(shop, mixed).could_enforce is Level.BASELINE
    assert could_enforce(shop, mixed[1:]).could_enforce is Level.RESTRICTED
    assert could_enforce(shop, []).could_enforce is Level.PRIVILEGED


@pytest.mark.parametrize("level", list(Level))
def test_a_workload_fits_a_level(level: Level) -> None:
    """The strictest one of which it violates nothing."""
    one = workload(level)
    assert one.fits is level
    assert one.label == "shop/deployment/web"
    assert not one.against(level)
