"""Versions that an upgrade refuses or tells: the asked-for one, those that run, those of etcd, and APIs that go away."""

from typing import Any

import pytest

from tasks.upgrade.models.upgrade import ClusterFacts
from tests.facts import etcd as etcd_facts
from tests.facts.upgrade import (
    ALL,
    CONTROL_PLANES,
    NEW,
    OLD,
    PROGRAMS,
    cluster,
    kube_node,
    kube_proxy,
    members,
    packages,
    static_pods,
    upgraded,
)
from tests.facts.upgrade_plan import DONE, NODE, Facts, acts, changed, plan, told


def test_a_newer_kubeadm_on_a_node_that_has_it_changes_nothing() -> None:
    """Somebody prepares the next upgrade; an older one is told."""
    assert plan(changed(DONE, machines={"w1": {"kubeadm": "1.38.0"}, "w2": {"kubeadm": ""}})).steps == ()
    older = plan(changed(DONE, machines={"w1": {"kubeadm": OLD}}))
    assert (older.steps, older.refusals) == ((), ())
    assert told(older.cautions) == [
        (
            "w1",
            "kubeadm v1.36.3 is 1 minor older than kubelet v1.37.2, it must not be older",
            "install the kubeadm of its kubelet there: nothing else of it is to be done",
        )
    ]


def test_a_newer_patch_than_what_was_stopped_is_fine() -> None:
    """All of it goes to the newer one; an older one is refused."""
    facts = cluster(machines=upgraded("cp1"), nodes=upgraded("cp1"), api={"kubeadm_version": NEW})
    told_of_older = told(plan(facts, "1.37.1").refusals)
    assert ("version", "v1.37.1 is older than v1.37.2, which the control plane runs in part") in {
        one[:2] for one in told_of_older
    }
    newer: dict[str, dict[str, Any]] = {
        name: {"packages": packages(candidates=dict.fromkeys(PROGRAMS, ("1.37.3-1.1",)))} for name in ALL
    }
    newer["cp1"]["version"] = NEW
    facts = cluster(machines=newer, nodes=upgraded("cp1"), api={"kubeadm_version": NEW})
    planned = plan(facts, "1.37.3")
    assert planned.refusals == ()
    assert planned.steps[0].act == "kubeadm upgrade apply v1.37.3, drain, kubelet v1.37.3"


@pytest.mark.parametrize("version", ["", "1.37", "latest", "v1.37.2-rc.1"])
def test_a_malformed_version(version: str) -> None:
    """Refused with the value and the form, and nothing else is planned."""
    planned = plan(cluster(), version)
    assert told(planned.refusals) == [
        (
            "version",
            f"{version!r} is not a version of Kubernetes",
            "write major.minor.patch of a release, for example 1.37.2 or v1.37.2",
        )
    ]
    assert planned.steps == ()


INPUT_TABLE: dict[str, tuple[ClusterFacts, str, Facts, tuple[str, str, str]]] = {
    "older": (
        cluster(),
        "1.35.9",
        {},
        (
            "version",
            "v1.35.9 is older than v1.36.3, which the control plane runs: a downgrade over minors is not supported",
            "name a newer version; the only way back is etcd_restore_from_s3 and the packages of that version",
        ),
    ),
    "an older patch": (
        cluster(),
        "1.36.2",
        {},
        (
            "version",
            "v1.36.2 is older than v1.36.3, which the control plane runs",
            "add --allow-patch-rollback to go back to an older patch of the same minor",
        ),
    ),
    "two minors": (
        cluster(),
        "1.38.0",
        {},
        (
            "version",
            "v1.36.3 to v1.38.0 is 2 minor versions; kubeadm upgrades one at a time",
            "add --chain, or upgrade to the newest v1.37 first",
        ),
    ),
    "a chain over a minor that nobody has": (
        cluster(machines={"w2": {"packages": packages(candidates={})}}),
        "1.38.0",
        {"chain": True},
        (
            "version",
            "no version of v1.37 is known that can be installed: the chain goes through its newest patch",
            "make the repository of v1.37 reachable from the nodes, or name a version of v1.37 yourself",
        ),
    ),
    "an unknown node": (
        cluster(),
        NEW,
        {"nodes": ("cp1", "w9")},
        ("--nodes", "w9 is no node of this cluster", "use some of cp1, cp2, cp3, w1, w2"),
    ),
    "workers while control planes are older": (
        cluster(machines=upgraded("cp1"), nodes=upgraded("cp1")),
        NEW,
        {"nodes": ("w1", "w2", "cp3")},
        (
            "--nodes",
            "w1, w2 would get kubelets newer than the API servers of cp2",
            "name cp2 too, or upgrade the control plane first",
        ),
    ),
    "a node that does not answer": (
        cluster(machines={"w1": {"unreached": "connection refused"}}),
        NEW,
        {},
        ("w1", "not reached: connection refused", "bring it back, or check nodes: and ssh: of the profile"),
    ),
    "a control plane that does not answer, and is not asked for": (
        cluster(
            machines={**upgraded(*CONTROL_PLANES), "cp1": {"unreached": "timed out", "static_pods": ()}},
            nodes=upgraded(*CONTROL_PLANES),
        ),
        NEW,
        {"nodes": ("w1",)},
        ("cp1", "not reached: timed out", "bring it back, or check nodes: and ssh: of the profile"),
    ),
    "a node that the API has not": (
        cluster(api={"nodes": tuple(kube_node(name) for name in ALL if name != "w2")}),
        NEW,
        {},
        ("w2", "the profile has this node and the API has not", "join it to the cluster, or take it out of nodes:"),
    ),
    "a node that the profile has not": (
        cluster(api={"nodes": tuple(kube_node(name) for name in (*ALL, "w3"))}),
        NEW,
        {},
        (
            "w3",
            "the API has this node (kubelet v1.36.3) and the profile has not: it would stay behind",
            "add it to nodes: of the profile, or delete it from the API if it is gone",
        ),
    ),
    "no cluster of kubeadm": (
        cluster(api={"kubeadm_version": ""}),
        NEW,
        {},
        (
            "kubeadm-config",
            "kube-system/kubeadm-config does not say a version of Kubernetes",
            "this runbook upgrades clusters that kubeadm made: check that ConfigMap",
        ),
    ),
}


@pytest.mark.parametrize(("facts", "version", "options", "refusal"), INPUT_TABLE.values(), ids=INPUT_TABLE.keys())
def test_what_was_asked_for_is_refused(
    facts: ClusterFacts, version: str, options: Facts, refusal: tuple[str, str, str]
) -> None:
    """With the numbers, and the next step."""
    assert refusal in told(plan(facts, version, **options).refusals)


def test_the_input_is_refused_also_where_nothing_is_to_be_done() -> None:
    """A node that the profile does not have would stay behind unseen."""
    facts = changed(DONE, api={"nodes": (*(kube_node(name, NEW) for name in ALL), kube_node("w3", OLD))})
    planned = plan(facts)
    assert planned.steps == ()
    assert [refusal.subject for refusal in planned.refusals] == ["w3"]


def test_an_older_patch_by_an_option() -> None:
    """Within the minor; packages that are newer are put back."""
    older = {name: {"packages": packages(candidates=dict.fromkeys(PROGRAMS, ("1.36.2-1.1",)))} for name in ALL}
    facts = cluster(machines=older, target="1.36.2")
    planned = plan(facts, "1.36.2", allow_patch_rollback=True)
    assert planned.refusals == ()
    assert planned.steps[0].act == "kubeadm upgrade apply v1.36.2, drain, kubelet v1.36.2"
    assert ("cp1", "kubeadm v1.36.3 is newer than the target", "it is put back to v1.36.2") in told(planned.cautions)


VERSION_TABLE: dict[str, tuple[ClusterFacts, tuple[str, str, str]]] = {
    "API servers two minors apart": (
        cluster(
            machines={
                "cp1": {"api_version": "1.35.1", "static_pods": static_pods("1.35.1"), "kubelet": "1.35.1"},
                **upgraded("cp3"),
            },
            nodes={"cp1": {"version": "1.35.1"}, **upgraded("cp3")},
        ),
        (
            "API servers",
            "kube-apiserver v1.35.1 is 2 minors older than API server v1.37.2, at most 1 minor allowed "
            "(cp1 v1.35.1, cp2 v1.36.3, cp3 v1.37.2)",
            "upgrade the older ones to v1.36 first",
        ),
    ),
    "a worker's kubelet that is newer than the oldest API server": (
        cluster(machines=upgraded("cp1"), nodes=upgraded("cp1", "w1"), api={"kubeadm_version": NEW}),
        (
            "w1",
            "kubelet v1.37.2 is 1 minor newer than API server v1.36.3, it must not be newer",
            "put its kubelet back to v1.36.3 first",
        ),
    ),
    "a control plane's kubelet that is newer than its own API server": (
        cluster(machines=upgraded("cp1"), nodes=upgraded("cp1", "cp3"), api={"kubeadm_version": NEW}),
        (
            "cp3",
            "kubelet v1.37.2 is 1 minor newer than API server v1.36.3, it must not be newer",
            "put its kubelet back to v1.36.3 first",
        ),
    ),
    "a kubelet that the target would leave behind": (
        cluster(nodes={"w1": {"version": "1.33.9"}}),
        (
            "w1",
            "once the control plane is at v1.37.2, kubelet v1.33.9 is 4 minors older than API server v1.37.2, at most 3 "
            "minors allowed",
            "upgrade its kubelet to v1.34 or newer first",
        ),
    ),
    "a kube-proxy that the target would leave behind": (
        cluster(api={"workloads": (kube_proxy("1.33.9"),)}),
        (
            "kube-proxy",
            "kube-proxy v1.33.9 is 4 minors older than API server v1.37.2, at most 3 minors allowed",
            "upgrade kube-proxy to the version of the control plane first",
        ),
    ),
    "an API that the target has not": (
        cluster(api={"deprecated": {"apps/v1beta9/things": "1.37"}}),
        (
            "apps/v1beta9/things",
            "a client uses it, and v1.37 removes it: v1.37.2 does not have it",
            "find the client (audit log, user agents) and update it, or add --allow-removed-apis",
        ),
    ),
}


@pytest.mark.parametrize(("facts", "refusal"), VERSION_TABLE.values(), ids=VERSION_TABLE.keys())
def test_versions_that_do_not_go_together(facts: ClusterFacts, refusal: tuple[str, str, str]) -> None:
    """By the version-skew policy, with its numbers."""
    refusals = told(plan(facts).refusals)
    assert refusal in refusals
    assert {one[0] for one in refusals} <= {refusal[0], "version", "w1", "w2"}


def test_versions_that_are_worth_a_look() -> None:
    """A kubelet over several minors at once; APIs that go later, or by an option now."""
    planned = plan(
        cluster(nodes={"w1": {"version": "1.34.9"}}, api={"deprecated": {"a/v1/b": "1.38", "c/v1/d": "soon"}})
    )
    assert planned.refusals == ()
    assert told(planned.cautions) == [
        ("w1", "its kubelet skips 3 minors at once, from v1.34.9", "the node is drained for that"),
        (
            "a/v1/b",
            "a client uses it; v1.38 has removed it",
            "find the client (audit log, user agents) and update it",
        ),
        (
            "c/v1/d",
            "a client uses it; vsoon has removed it",
            "find the client (audit log, user agents) and update it",
        ),
    ]
    allowed = plan(cluster(api={"deprecated": {"a/v1/b": "1.37"}}), allow_removed_apis=True)
    assert allowed.refusals == ()
    assert allowed.cautions[0].problem == "a client uses it, and v1.37.2 does not have it"


def test_versions_that_are_not_known_refuse_nothing_by_themselves() -> None:
    """An API server that does not answer, or a kube-proxy by another tag, is the business of other rules."""
    mute = {name: {"api_version": "", "static_pods": ()} for name in CONTROL_PLANES}
    facts = cluster(machines=mute, nodes={"w1": {"kubelet": "none"}}, api={"workloads": (kube_proxy("latest"),)})
    subjects = {refusal.subject for refusal in plan(facts).refusals}
    assert subjects == set(CONTROL_PLANES)
    unknown = cluster(machines=mute, api={"kubeadm_version": "", "version": ""})
    planned = plan(unknown, chain=True)
    assert "kubeadm-config" in {refusal.subject for refusal in planned.refusals}
    assert planned.before == ""
    assert planned.steps[0].reason.startswith("control plane of an unknown version")


def test_members_that_are_too_old_for_the_next_minor_of_etcd() -> None:
    """Each of them, with the minimum and the way there."""
    old = etcd_facts.member("cp3", version="3.6.10")
    planned = plan(cluster(etcd=(*members(version="3.6.8")[:2], old)))
    step = (
        "move etcd first: `kube-runbooks run rolling-upgrade CLUSTER 1.36.3 --etcd-image-tag=3.6.11-0`, or a newer one; then this "
        "one with --etcd-image-tag=default"
    )
    assert told(planned.refusals) == [
        (name, f"etcd {version} must not go to 3.7: every member has to run 3.6.11 or newer before", step)
        for name, version in (("cp1", "3.6.8"), ("cp2", "3.6.8"), ("cp3", "3.6.10"))
    ]
    assert planned.etcd_before == "3.6.10 and 3.6.8"


@pytest.mark.parametrize(
    ("tag", "version", "caution"),
    [
        ("3.6.16-0", NEW, "kubeadm-config pins etcd 3.6.16-0: kubeadm keeps it, its own for v1.37.2 is 3.7"),
        ("3.6.16-0", "1.38.0", "kubeadm-config pins etcd 3.6.16-0: kubeadm keeps it, its own is not known here"),
        ("ours", NEW, "kubeadm-config pins etcd ours, which is no version"),
        ("", "1.38.0", "which etcd kubeadm v1.38.0 brings is not known here"),
    ],
)
def test_etcd_that_is_pinned_or_not_known(tag: str, version: str, caution: str) -> None:
    """Said, and not refused; a pin of the same minor is nothing to say."""
    facts = cluster(api={"etcd_image_tag": tag}, etcd=members(version="3.6.8" if tag != "ours" else "3.6.16"))
    planned = plan(facts, version)
    assert [one.problem for one in planned.cautions if one.subject == "etcd"] == [caution]
    assert not [one for one in planned.refusals if "etcd" in one.problem]


def test_a_pin_decides_where_etcd_goes() -> None:
    """To a minor that members are too old for, or over two minors."""
    facts = cluster(api={"etcd_image_tag": "3.7.1-0"}, etcd=members(version="3.6.8"))
    assert "3.6.11 or newer" in plan(facts).refusals[0].problem
    assert not [one for one in plan(facts).cautions if one.subject == "etcd"]
    far = plan(cluster(etcd=members(version="3.5.30")))
    assert told(far.refusals)[0] == (
        "cp1",
        "etcd 3.5.30 to 3.7 is more than one minor",
        "move etcd minor by minor, with --etcd-image-tag",
    )


def test_etcd_outside_of_the_control_plane_is_not_kubeadms() -> None:
    """Its version is not judged, its health is; nobody leaves its quorum."""
    outside = tuple(etcd_facts.member(f"e{number}", is_leader=number == 0, version="3.5.9") for number in range(2))
    pods = {name: {"static_pods": static_pods(etcd="")} for name in CONTROL_PLANES}
    planned = plan(cluster(machines=pods, etcd=outside))
    assert (planned.refusals, planned.cautions) == ((), ())
    assert acts(planned)[1] == ("cp2", NODE)
    ill = plan(cluster(machines=pods, etcd=(outside[0], etcd_facts.unreached("e1"))))
    assert [(one.subject, one.problem) for one in ill.refusals] == [("e1", "connection refused")]
