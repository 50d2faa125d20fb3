"""The changes themselves: how they are written, what is wrong with them, and their patches."""

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.nodes.policy.owners import owner_of
from tasks.nodes.policy.references import references_of
from tasks.nodes.probes.owners import notes_of
from tasks.workloads.models.changes import Change
from tasks.workloads.policy.changes import patch_of, unknown_containers, what_is_wrong_with
from tasks.workloads.probes.targets import (
    containers_of,
    labels_of,
    parse_budgets,
    parse_mark,
    scaler_of,
    template_of,
    trial_pod,
)
from tests.facts.workloads import change, ref, request

AT = "2026-12-01T12:00:00Z"


@pytest.mark.parametrize(
    "image",
    ["web:2", "shop/web", "registry.example.org:5000/shop/web:2.0-rc_1", f"web@sha256:{'a' * 64}", "a/b__c/d-e.f:x"],
)
def test_an_image_is_a_reference(image: str) -> None:
    """With a registry, a tag or a digest."""
    assert change(images={"main": image}).images == {"main": image}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("images", "main=Web:2", "the image of main is 'Web:2', which is no reference; write REGISTRY/NAME:TAG"),
        ("images", {"main": None}, "the image of main is None"),
        ("images", "main=web:2:3", "no reference"),
        ("images", "main", "'main' is no NAME=VALUE"),
        ("env", "A=1;A=2", "it changes A twice; keep one of them"),
        ("env", {"A B": "1"}, "'A B' is no name of a variable"),
        ("requests", "cpu=much", "cpu='much' is no quantity; write for example cpu=500m or memory=256Mi"),
        ("replicas", -1, "greater than or equal to 0"),
        ("workload", "pod/web", "is no workload"),
    ],
)
def test_a_wrong_value_names_its_field_and_what_to_write(field: str, value: object, said: str) -> None:
    """Before any connection is opened."""
    with pytest.raises(ValidationError, match=field) as wrong:
        Change.model_validate({"namespace": "shop", "workload": "deployment/web", field: value})
    assert said in str(wrong.value)


def test_pairs_are_typed_with_semicolons() -> None:
    """A name with a dash at its end removes a variable."""
    typed = Change.model_validate(
        {"namespace": "shop", "workload": "deploy/web", "env": "A=x=y; side/B- ;C=", "limits": "cpu=1"}
    )
    assert (typed.env, typed.limits) == ({"A": "x=y", "side/B": None, "C": ""}, {"cpu": "1"})


def test_a_patch_has_only_what_is_changed() -> None:
    """By container; a variable that is removed; the field of an init container."""
    whole = change(
        images={"main": "web:2", "init": "i:2"},
        env={"main/A": "1", "B": None},
        requests={"cpu": "1"},
        limits={"main/cpu": "2"},
        replicas=3,
        restart=True,
    )
    containers = {"init": "initContainers", "main": "containers"}
    main = {
        "name": "main",
        "image": "web:2",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "$patch": "delete"}],
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
    }
    assert patch_of(whole, containers, AT) == {
        "template": {
            "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": AT}},
            "spec": {"containers": [main], "initContainers": [{"name": "init", "image": "i:2"}]},
        },
        "replicas": 3,
    }
    assert patch_of(change(replicas=0), containers, AT) == {"replicas": 0}
    assert not change(replicas=0).changes_template


def test_a_digest_is_of_the_change_and_not_of_its_group() -> None:
    """A run finds its own work again."""
    assert change(restart=True).digest == change(restart=True, group=2).digest
    assert change(restart=True).digest != change(replicas=2).digest


def problems(*changes: Change) -> list[str]:
    """What is wrong with them."""
    return [f"{one.subject}: {one.problem}" for one in what_is_wrong_with(changes)]


def test_what_is_wrong_whatever_the_cluster_has() -> None:
    """Nothing, twice, no change, a secret."""
    assert problems(change()) == []
    assert problems() == ["changes: there is no change"]
    assert problems(change(group=2)) == ["shop/deployment/web: nothing is to be changed"]
    twice = problems(change(), change(restart=True))
    assert twice == ["shop/deployment/web: it is named 2 times, in group 1"]
    assert problems(change(), change(restart=True, group=2)) == [
        "shop/deployment/web: it is named 2 times, in groups 1, 2"
    ]
    secret = change(env={"main/DB_PASSWORD": "x", "API_TOKEN": None, "LEVEL": "debug"})
    assert problems(secret) == [
        "shop/deployment/web: env: main/DB_PASSWORD looks like a secret, and everybody who sees the run sees its value"
    ]
    assert request(change(group=2), change("sts/db")).refs == (
        ref("db", kind=request(change("sts/db")).refs[0].kind),
        ref(),
    )
    assert [len(group) for group in request(change(group=2), change("sts/db")).groups] == [1, 1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (change(images={"mian": "web:2"}), ["images: it has no container mian"]),
        (change(env={"mian/A": "1"}), ["env: it has no container mian"]),
        (change(requests={"cpu": "1"}), ["requests: cpu names no container, and there are 2"]),
        (change(images={"side": "s:1"}, env={"main/A": "1"}), []),
    ],
)
def test_containers_that_are_not_there_are_named(changed: Change, said: list[str]) -> None:
    """A strategic merge patch would add one."""
    found = list(unknown_containers(changed, ("main", "side")))
    assert [one.problem for one in found] == said
    assert all("it has main, side" in one.next_step for one in found)


@pytest.mark.parametrize(
    ("notes", "controller", "managers", "who"),
    [
        (
            {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"},
            None,
            (),
            "Argo CD (argocd.argoproj.io/tracking-id",
        ),
        ({"kustomize.toolkit.fluxcd.io/name": "shop"}, None, (), "Flux (kustomize"),
        ({"meta.helm.sh/release-name": "shop"}, None, (), "Helm (meta.helm.sh/release-name: shop)"),
        ({}, ("example.org/v1", "Shop", "web"), (), "Shop web (example.org/v1)"),
        ({}, None, ("argocd-controller",), "Argo CD (managedFields)"),
        ({}, None, ("helm",), "Helm (managedFields)"),
        ({"app.kubernetes.io/instance": "web"}, ("apps/v1", "Deployment", "web"), ("kubectl-edit",), ""),
    ],
)
def test_an_owner_is_found_by_its_own_mark(
    notes: dict[str, str], controller: tuple[str, str, str] | None, managers: tuple[str, ...], who: str
) -> None:
    """`app.kubernetes.io/instance` is no proof: Helm charts set it, too."""
    owner = owner_of(notes, controller, managers)
    assert owner.who.startswith(who) if owner else not who
    assert owner is None or owner.way


def test_all_references_of_a_template_are_found() -> None:
    """Variables, all variables, volumes, projected volumes, pull secrets; each once."""
    template = {
        "spec": {
            "initContainers": [
                {"name": "i", "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]}
            ],
            "containers": [
                {
                    "name": "main",
                    "env": [
                        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}},
                        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "d"}}},
                        {"name": "C", "value": "x"},
                        {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    ],
                }
            ],
            "volumes": [
                {"name": "1", "configMap": {"name": "a"}},
                {"name": "2", "secret": {"secretName": "e"}},
                {"name": "3", "projected": {"sources": [{"configMap": {"name": "f"}}, {"secret": {"name": "g"}}, {}]}},
                {"name": "4", "emptyDir": {}},
            ],
            "imagePullSecrets": [{"name": "h"}],
        }
    }
    assert references_of(template) == (("a", "c", "f"), ("b", "d", "e", "g", "h"))
    assert references_of({}) == ((), ())


RAW: dict[str, Any] = {
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "u",
        "labels": {"app": "web"},
        "annotations": {"kube-runbooks.io/rollout": '{"run": "0f1e", "change": "c"}'},
        "ownerReferences": [
            {"apiVersion": "example.org/v1", "kind": "Shop", "name": "s", "uid": "o", "controller": True}
        ],
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main"}], "initContainers": [{"name": "init"}]},
        },
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
    },
}


def test_what_a_rollout_reads_of_a_workload() -> None:
    """Its containers, its labels, its owner, and the mark of the last rollout."""
    assert containers_of(template_of(RAW)) == {"main": "containers", "init": "initContainers"}
    assert labels_of(template_of(RAW)) == {"app": "web"}
    assert template_of({}) == {}
    notes, controller, managers = notes_of(RAW)
    assert (notes["app"], controller, managers) == ("web", ("example.org/v1", "Shop", "s"), ("kubectl",))
    found = parse_mark(RAW)
    assert found
    assert (found.run, found.change, found.state) == ("0f1e", "c", "open")
    assert parse_mark({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}}) is None
    assert notes_of({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}})[1] is None


@pytest.mark.parametrize("text", ["{", '{"run": 1}', "[]"])
def test_a_mark_that_is_none_is_none(text: str) -> None:
    """Another version, or somebody's own."""
    metadata = RAW["metadata"] | {"annotations": {"kube-runbooks.io/rollout": text}}
    assert parse_mark(RAW | {"metadata": metadata}) is None


def test_a_trial_pod_has_an_empty_volume_for_each_claim() -> None:
    """They are not in the template of a StatefulSet."""
    pod = trial_pod(RAW)
    assert pod["metadata"] == {"generateName": "web-", "labels": {"app": "web"}}
    assert pod["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}]


def test_a_scaler_is_found_by_what_it_scales() -> None:
    """Another kind of the same name is another workload."""
    mine = {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}}
    other = {"spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "web"}}}
    assert scaler_of(ref(), [other, mine]) == mine
    assert scaler_of(ref(), [other]) is None
    (budget,) = parse_budgets(
        [{"metadata": {"name": "b", "namespace": "shop", "uid": "b"}, "spec": {"minAvailable": 1}}]
    )
    assert budget.rule == "minAvailable 1"
