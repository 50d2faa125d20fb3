"""What the API server's answers to a dry run mean. The texts are those of Kubernetes 1.37."""

from typing import Any

import pytest

from tasks.resources_restore.models import Existing, Key, Verdict
from tasks.resources_restore.policy.allowed import why_not_now
from tasks.resources_restore.policy.compare import MOST, differences, kept_fields, lacking, normal
from tasks.resources_restore.policy.order import in_order, rank_of
from tasks.resources_restore.policy.verdicts import (
    Tried,
    count_quota,
    counted_as,
    is_rest_of_ours,
    is_restored,
    is_system_namespace,
    judge,
    judge_by_fields,
    judge_silence,
    wanted,
    without_broken_promises,
)
from tests.facts.resources_restore import body, judged, target

ONE = target()
WIDGET = target("Gadget", group="shop.example", version="v1")
LIVE = body(ONE, data={"color": "red"})
NEW = body(ONE, data={"color": "blue"})


def answer(status: int, message: str = "", *causes: dict[str, str]) -> Tried:
    """A Status."""
    return Tried(status, {"kind": "Status", "message": message, "details": {"causes": list(causes)}})


def cause(field: str, owner: str) -> dict[str, str]:
    """A field that another manager owns."""
    return {"reason": "FieldManagerConflict", "field": field, "message": f'conflict with "{owner}" using v1'}


def test_an_object_is_created_updated_left_or_unchanged() -> None:
    """What exists is left, unless it is to be updated."""
    assert judge(ONE, None, Tried(201, NEW)).verdict is Verdict.CREATE
    assert judge(ONE, NEW, Tried(200, NEW)).verdict is Verdict.UNCHANGED
    left = judge(ONE, LIVE, Tried(200, NEW))
    assert (left.verdict, left.reason) == (Verdict.LEAVE, 'it exists, and differs: data.color: "red" -> "blue"')
    updated = judge(ONE, LIVE, Tried(200, NEW), existing=Existing.UPDATE)
    assert (updated.verdict, updated.difference) == (Verdict.UPDATE, ('data.color: "red" -> "blue"',))
    assert judge(ONE, LIVE, Tried(200, NEW), finishes=True).verdict is Verdict.UPDATE


def test_an_object_that_is_being_deleted_is_never_written() -> None:
    """A server-side apply would succeed, and the object would vanish."""
    going = body(ONE, metadata={"deletionTimestamp": "now", "finalizers": ["example.com/x"]})
    found = judge(ONE, going, Tried(200, NEW))
    assert found.verdict is Verdict.TERMINATING
    assert found.reason.endswith("is being deleted, and waits for example.com/x")
    plain = judge(ONE, body(ONE, metadata={"deletionTimestamp": "now"}), Tried(200, NEW))
    assert plain.reason.endswith("is being deleted")


IMMUTABLE = "spec.selector: Invalid value: field is immutable"


@pytest.mark.parametrize(
    ("tried", "verdict"),
    [
        (answer(409, "conflict", cause(".data.color", "kubectl-edit")), Verdict.CONFLICT),
        (answer(409, "the object has been modified"), Verdict.CONFLICT),
        (answer(422, IMMUTABLE), Verdict.IMMUTABLE),
        (answer(422, "spec: Forbidden: updates to statefulset spec are forbidden"), Verdict.IMMUTABLE),
        (answer(422, "spec.size: Required value"), Verdict.INVALID),
        (answer(400, "strict decoding error: unknown field"), Verdict.INVALID),
        (answer(500, ".spec.x: field not declared in schema"), Verdict.INVALID),
        (answer(403, "exceeded quota: small, requested: services=1"), Verdict.QUOTA),
        (answer(403, "being terminated", {"reason": "NamespaceTerminating"}), Verdict.TERMINATING),
        (answer(403, "forbidden: User cannot patch"), Verdict.FORBIDDEN),
        (answer(401, "Unauthorized"), Verdict.FORBIDDEN),
        (answer(500, 'failed calling webhook "x": connection refused'), Verdict.WEBHOOK),
        (answer(403, 'admission webhook "x" denied the request: no'), Verdict.WEBHOOK),
        (answer(422, "ValidatingAdmissionPolicy 'x' denied request"), Verdict.WEBHOOK),
        (answer(404, 'namespaces "shop" not found'), Verdict.MISSING),
        (answer(404, "not found"), Verdict.UNKNOWN),
        (answer(418), Verdict.UNKNOWN),
    ],
    ids=lambda value: str(value) if isinstance(value, Verdict) else f"{value.status} {value.body['message'][:20]}",
)
def test_each_refusal_has_its_verdict_a_reason_and_a_next_step(tried: Tried, verdict: Verdict) -> None:
    """An object that exists and is to be left is left, whatever an update would meet."""
    found = judge(ONE, None, tried)
    assert found.verdict is verdict
    assert found.reason
    assert found.next_step
    left = judge(ONE, LIVE, tried)
    assert left.verdict is Verdict.LEAVE
    differs = verdict in {Verdict.CONFLICT, Verdict.IMMUTABLE, Verdict.INVALID}
    assert left.reason.startswith(
        "it exists, and differs: " if differs else "it exists, and nobody knows whether it differs: "
    )
    assert judge(ONE, LIVE, tried, existing=Existing.UPDATE).verdict is verdict


def test_a_conflict_names_the_field_its_owner_and_the_option() -> None:
    """As a person types it."""
    found = judge(ONE, LIVE, answer(409, "", cause(".data.color", "kubectl-edit")), existing=Existing.UPDATE)
    assert found.reason == 'others own fields that differ: data.color: "kubectl-edit" using v1'
    assert found.next_step.startswith("add --force=ConfigMap/shop/settings ")
    assert wanted(ONE, ("configmap/shop/SETTINGS",))
    assert not wanted(ONE, ())


def test_what_the_same_run_brings_first_is_no_obstacle() -> None:
    """A namespace, or a CustomResourceDefinition."""
    namespace = Key("", "Namespace", "", "shop")
    found = judge(ONE, None, answer(404, 'namespaces "shop" not found'), coming={namespace})
    assert (found.verdict, found.reason) == (Verdict.AFTER, "the namespace shop comes with this run")
    definition = Key("apiextensions.k8s.io", "CustomResourceDefinition", "", "gadgets.shop.example")
    after = judge(WIDGET, None, answer(404), coming={definition}, served=False)
    assert (after.verdict, after.reason) == (
        Verdict.AFTER,
        "the CustomResourceDefinition gadgets.shop.example comes with this run",
    )
    gone = judge(WIDGET, None, answer(404), coming={namespace}, served=False)
    assert gone.verdict is Verdict.GONE
    assert "gadgets of shop.example/v1" in gone.reason
    cluster = target("ClusterRole", group="rbac.authorization.k8s.io")
    assert judge(cluster, None, answer(404)).verdict is Verdict.UNKNOWN


def test_an_object_does_not_come_after_one_that_stays_as_it_is() -> None:
    """A definition that exists and has no such version, or a namespace that cannot be restored."""
    gadgets = target("CustomResourceDefinition", "gadgets.shop.example", group="apiextensions.k8s.io")
    promise = judge(WIDGET, None, answer(404), coming={gadgets.key}, served=False)
    promised = judged(promise.verdict, WIDGET, reason=promise.reason, after=promise.after)
    assert without_broken_promises([judged(CREATE, gadgets), promised])[1] == promised
    (_, gone) = without_broken_promises([judged(Verdict.LEAVE, gadgets), promised])
    assert (gone.verdict, gone.reason) == (Verdict.GONE, "the API does not serve gadgets of shop.example/v1")
    space = target("Namespace", "shop")
    promise = judge(ONE, None, answer(404, 'namespaces "shop" not found'), coming={space.key})
    inside = judged(promise.verdict, reason=promise.reason, after=promise.after)
    assert without_broken_promises([judged(CREATE, space), inside])[1] == inside
    (_, missing) = without_broken_promises([judged(Verdict.FORBIDDEN, space), inside])
    assert (missing.verdict, missing.reason) == (Verdict.MISSING, "the namespace shop is not restored: forbidden")
    assert why_not_now(inside, inside) == "the namespace shop comes with this run, and is not there"


@pytest.mark.parametrize(
    ("tried", "busy"),
    [
        (answer(429), True),
        (answer(503, "starting"), True),
        (answer(500, "failed calling webhook"), False),
        (answer(500, "x: field not declared in schema"), False),
        (answer(500, "failed to create typed patch object: duplicate entries"), False),
        (answer(404, "404 page not found"), True),
        (answer(404, "not found"), False),
        (answer(422), False),
        (Tried(200, {}), False),
    ],
)
def test_a_busy_server_is_no_verdict(tried: Tried, *, busy: bool) -> None:
    """It is asked again. A webhook that is down is a verdict."""
    assert tried.is_busy is busy


def test_an_object_that_cannot_be_applied_is_judged_by_its_fields() -> None:
    """It is as the backup has it, left, or to be changed by hand."""
    twice = answer(500, "failed to create typed patch object: duplicate entries for key")
    assert twice.cannot_be_applied
    assert judge_by_fields((), twice, Existing.UPDATE).verdict is Verdict.UNCHANGED
    left = judge_by_fields(("spec.replicas",), twice, Existing.LEAVE)
    assert (left.verdict, left.reason) == (Verdict.LEAVE, "it exists, and differs from the backup in spec.replicas")
    invalid = judge_by_fields(("spec.replicas",), twice, Existing.UPDATE)
    assert invalid.verdict is Verdict.INVALID
    assert invalid.reason.endswith(
        "and cannot be applied: failed to create typed patch object: duplicate entries for key"
    )


def test_a_kind_that_does_not_answer_is_a_verdict_and_a_silent_server_is_none() -> None:
    """The words are those of the API server, in the client's error."""
    for words in (
        "500 conversion webhook for x failed: no endpoints",
        "503 service unavailable",
        "503 error trying to reach service: x",
    ):
        said = judge_silence(f"GET /apis/x: {words}")
        assert said
        assert (said.verdict, said.reason) == (Verdict.SILENT, f"nobody can read it: GET /apis/x: {words}")
    assert judge_silence("GET /apis/x: no API server answers: cp1: connection refused") is None


def test_an_address_that_cannot_be_had_is_recognised() -> None:
    """The API server says it in these words."""
    assert answer(422, "spec.clusterIPs: provided IP is already allocated").wants_other_claims
    assert not answer(422, "spec.ports: Required value").wants_other_claims
    assert not answer(409, "provided IP is already allocated").wants_other_claims


def test_the_rest_of_an_interrupted_run_is_recognised_by_our_own_mark() -> None:
    """Only owners and reclaim policies may be missing, on an object that we have applied."""
    ours = {"managedFields": [{"manager": "kube-runbooks", "operation": "Apply"}]}
    live = body(ONE, metadata=ours)
    linked = body(ONE, metadata={"ownerReferences": [{"uid": "new"}]})
    assert is_rest_of_ours(live, Tried(200, linked))
    assert not is_rest_of_ours(body(ONE), Tried(200, linked))
    assert not is_rest_of_ours(live, Tried(200, NEW))
    assert not is_rest_of_ours(live, Tried(200, live))
    assert not is_rest_of_ours(live, answer(409))
    assert not is_rest_of_ours(None, Tried(201, linked))
    assert not is_restored(body(ONE, metadata={"managedFields": [{"manager": "kube-runbooks", "operation": "Update"}]}))


def test_a_quota_counts_all_objects_of_the_run_together() -> None:
    """A dry run sees one at a time. Quantities such as 1Gi are no counts."""
    quota = {
        "metadata": {"namespace": "shop", "name": "small"},
        "status": {"hard": {"configmaps": "3", "requests.cpu": "500m", "secrets": "1"}, "used": {"configmaps": "1"}},
    }
    creates = [target(name=str(number)) for number in range(3)]
    assert count_quota([quota], creates[:2]) == {}
    assert count_quota([quota], creates) == {
        "shop": "the quota small has room for 2 more configmaps, and 3 are created"
    }
    assert count_quota([{"metadata": quota["metadata"]}], creates) == {}
    assert count_quota([quota | {"spec": {"scopes": ["BestEffort"]}}], creates) == {}
    assert count_quota([quota | {"spec": {"scopeSelector": {"matchExpressions": []}}}], creates) == {}
    assert count_quota([quota | {"metadata": {"namespace": "ops", "name": "x"}}], creates) == {}
    assert counted_as(target("Deployment", group="apps")) == ("count/deployments.apps",)


def test_system_namespaces_are_known() -> None:
    """They are never extra."""
    assert is_system_namespace(target("Namespace", "kube-system"))
    assert not is_system_namespace(target("Namespace", "shop"))
    assert not is_system_namespace(target("ConfigMap", "default"))


def test_a_difference_names_each_field_and_is_short() -> None:
    """Lists of the same length are compared by item. What a server sets is no difference."""
    old = body(ONE, spec={"a": [1, {"b": "x"}], "c": [1]}, metadata={"uid": "1", "labels": {}}, status={"x": 1})
    new = body(ONE, spec={"a": [1, {"b": "y" * 80}], "c": [1, 2]}, metadata={"uid": "2"})
    assert differences(old, new) == (
        f'spec.a[1].b: "x" -> "{"y" * 59}… (82 characters)',
        "spec.c: [1] -> [1, 2]",
    )
    assert differences(body(ONE, data={"a": None}), body(ONE, data={})) == ()
    many = body(ONE, data={f"k{number:02}": "v" for number in range(MOST + 3)})
    found = differences(body(ONE, data={}), many)
    assert (found[0], found[-1]) == ('data.k00: nothing -> "v"', "and 3 more")
    assert normal(old)["metadata"] == {"name": "settings", "namespace": "shop"}


def test_a_difference_of_a_secret_has_no_value() -> None:
    """Not even in an annotation, where kubectl leaves a copy."""
    secret = target("Secret")

    def made(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a Secret
        return body(secret, **fields)

    old = made(data={"a": "b2xk", "b": "Yg=="}, metadata={"annotations": {"x": "b2xk"}})
    new = made(data={"a": "bmV3", "c": "Yw=="}, metadata={"annotations": {"x": "bmV3"}})
    assert differences(old, new) == (
        "data.a: another value",
        "data.b: removed",
        "data.c: added",
        "metadata.annotations.x: another value",
    )


def test_the_order_is_that_of_dependencies() -> None:
    """A kind of somebody else's group has no place of its own, whatever its name is."""
    kinds = [
        ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io"),
        ("APIService", "apiregistration.k8s.io"),
        ("Namespace", "shop.example"),
        ("Ingress", "networking.k8s.io"),
        ("Deployment", "apps"),
        ("Service", ""),
        ("ConfigMap", ""),
        ("Secret", ""),
        ("RoleBinding", "rbac.authorization.k8s.io"),
        ("ServiceAccount", ""),
        ("PersistentVolumeClaim", ""),
        ("PersistentVolume", ""),
        ("ServiceCIDR", "networking.k8s.io"),
        ("Namespace", ""),
        ("CustomResourceDefinition", "apiextensions.k8s.io"),
    ]
    found = sorted((target(kind, group=group) for kind, group in kinds), key=in_order)
    assert [(one.kind, one.group) for one in found] == [
        *reversed(kinds[3:]),
        kinds[2],
        kinds[1],
        kinds[0],
    ]
    assert rank_of(target("Secret", group="shop.example")) == rank_of(target("Gadget", group="other.example"))


CREATE, UPDATE = Verdict.CREATE, Verdict.UPDATE


@pytest.mark.parametrize(
    ("planned", "now", "problem"),
    [
        (judged(CREATE), judged(CREATE), ""),
        (judged(Verdict.AFTER), judged(CREATE), ""),
        (judged(Verdict.AFTER), judged(Verdict.LEAVE), ""),
        (judged(CREATE), judged(Verdict.CONFLICT, reason="x"), "conflict: x"),
        (judged(CREATE), judged(UPDATE, reason="x"), "the plan was to create it, and now the verdict is update: x"),
        (judged(UPDATE, difference=("a",), uid="1"), judged(UPDATE, difference=("a",), uid="1"), ""),
        (
            judged(UPDATE, difference=("a",), uid="1"),
            judged(UPDATE, difference=("a", "b"), uid="1"),
            "it has changed since the plan was made: b",
        ),
        (
            judged(UPDATE, uid="1"),
            judged(UPDATE, uid="2", reason="x"),
            "the plan was to update it, and now the verdict is update: x",
        ),
        (
            judged(UPDATE, uid="1"),
            judged(CREATE, reason="x"),
            "the plan was to update it, and now the verdict is create: x",
        ),
    ],
)
def test_an_object_is_written_only_as_the_plan_says(planned: Any, now: Any, problem: str) -> None:  # noqa: ANN401 - Judged
    """Another object with its name has another uid."""
    assert why_not_now(planned, now) == problem


def test_the_second_pass_writes_what_the_first_has_written() -> None:
    """But not over an obstacle."""
    assert why_not_now(judged(CREATE), judged(UPDATE), finishing=True) == ""
    assert why_not_now(judged(CREATE), judged(Verdict.QUOTA, reason="x"), finishing=True) == "quota: x"


@pytest.mark.parametrize(
    ("result", "wanted", "kept"),
    [
        ({"data": {"a": "1", "b": "2"}}, [{"data": {"a": "1"}}], ("data.b",)),
        ({"data": {"a": "2"}}, [{"data": {"a": "1"}}], ()),
        ({"data": {"a": "1"}, "immutable": False}, [{"data": None}, {}], ("data", "immutable")),
        ({"metadata": {"name": "x", "labels": {}, "annotations": None}}, [{"metadata": {"name": "x"}}], ()),
        ({"a": {"x": 1}, "b": {"y": 1}}, [{"a": {"x": 1}}, {"b": {"y": 2}}], ()),
        ({"finalizers": ["a", "b"]}, [{"finalizers": ["b"]}], ("finalizers[0]",)),
        (
            {"containers": [{"name": "web", "tty": True, "image": "x"}, {"name": "side"}]},
            [{"containers": [{"name": "web", "image": "y"}]}],
            ("containers[web].tty", "containers[side]"),
        ),
        ({"ports": [{"port": 80, "nodePort": 1}]}, [{"ports": [{"port": 80}]}], ("ports[0].nodePort",)),
        ({"ports": [{"port": 80}, {"port": 81}]}, [{"ports": [{"port": 80}]}], ("ports[1]",)),
        ({"spec": {"a": 1}}, [{"spec": "text"}], ("spec.a",)),
        ({"spec": [1]}, [{"spec": "text"}], ("spec[0]",)),
    ],
    ids=[
        "a key", "another value", "no value", "empty", "in one of two", "an item", "items by name", "an item at its place",
        "one more item", "another type", "a list for a text",
    ],
)  # fmt: skip
def test_fields_that_an_update_leaves_are_named(
    result: dict[str, Any], wanted: list[dict[str, Any]], kept: tuple[str, ...]
) -> None:
    """Those that no version of the backup's object has; a value that differs is not one of them."""
    assert kept_fields(result, *wanted) == kept


@pytest.mark.parametrize(
    ("wanted", "found", "paths"),
    [
        ({"a": {"b": 1}, "c": ""}, {"a": {"b": 1, "more": 2}}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": {"b": 1}}, {}, ["a"]),
        ({"a": [{"name": "x", "v": 1}, 2]}, {"a": [2, {"name": "more"}, {"name": "x", "v": 1, "w": 2}]}, []),
        ({"a": [{"name": "x", "v": 1}, 3]}, {"a": [{"name": "x", "v": 2}]}, ["a[x]", "a[1]"]),
        ({"a": 1}, None, [""]),
    ],
)
def test_what_an_object_lacks_is_named_without_values(wanted: Any, found: Any, paths: list[str]) -> None:  # noqa: ANN401 - JSON
    """More fields and items are no matter: defaults, and those of other managers."""
    assert list(lacking(wanted, found)) == paths
