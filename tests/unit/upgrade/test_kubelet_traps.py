"""What a kubelet of some minor does not start with, told before it gets there."""

from tests.facts.upgrade import ALL, PROGRAMS, cluster, packages
from tests.facts.upgrade_plan import FLAG, plan


def test_a_containerd_that_was_installed_and_not_restarted_does_not_count() -> None:
    """What runs has to answer the new kubelet; of a node with CRI-O it is not asked."""
    old = {"containerd": "2.1.4", "containerd_runs": "1.6.20"}
    planned = plan(cluster(machines={"w1": old}))
    assert [one.problem for one in planned.cautions] == [
        "containerd 1.6.20 runs, although 2.1.4 is installed: it was not restarted",
        "containerd 1.6.20 is older than 1.7: kubelet v1.37.2 warns and still starts",
    ]
    crio = {"active": {"kubelet": True, "crio": True}}
    assert plan(cluster(machines={"w1": old | crio}, nodes={"w1": {"runtime": "cri-o://1.36.0"}})).cautions == ()


def test_a_containerd_that_says_no_version_is_known_by_the_api_or_told_to_be_unknown() -> None:
    """Where the kubelet's version does not mind, nobody asks."""
    silent = {"w1": {"containerd": "", "containerd_runs": ""}}
    old = plan(cluster(machines=silent, nodes={"w1": {"runtime": "containerd://1.7.24"}}), "1.38.1", chain=True)
    assert {one.subject: one.problem for one in old.refusals}["w1"].startswith("containerd 1.7.24: kubelet v1.38.1")
    facts = cluster(machines=silent, nodes={"w1": {"runtime": ""}})
    assert plan(facts).cautions == ()
    found = {one.subject: one.problem for one in plan(facts, "1.38.1", chain=True).cautions}
    assert found["w1"].startswith("which version its container runtime has is not known")


def test_what_the_end_of_a_chain_does_not_run_on_is_refused_before_its_start() -> None:
    """A kubelet that does not start in an hour is better known now."""
    facts = cluster(machines={"w1": {"containerd": "1.7.24"}}, api={"deprecated": {"apps/v1beta9/things": "1.38"}})
    problems = {one.subject: one.problem for one in plan(facts, "1.38.1", chain=True).refusals}
    assert problems["w1"] == "containerd 1.7.24: kubelet v1.38.1 needs 2.0 or newer (since v1.38)"
    assert "apps/v1beta9/things" in problems
    assert plan(facts).refusals == ()


def test_what_is_not_known_of_a_node_is_said() -> None:
    """It is not fine."""
    unknown = cluster(machines={"w1": {"cgroup_version": 0, "containerd": ""}}, nodes={"w1": {"runtime": ""}})
    assert [str(one.problem) for one in plan(unknown, "1.38.1", chain=True).cautions if one.subject == "w1"] == [
        "which cgroup version it runs is not known; kubelet v1.38.1 refuses to start on v1",
        "which version its container runtime has is not known: kubelet v1.38.1 needs containerd 2.0 or newer (since v1.38)",
    ]
    assert [str(one.problem) for one in plan(cluster(machines={"w1": {"containerd": ""}})).cautions] == []


def test_cgroup_v1_is_fine_where_the_clusters_configuration_allows_it_or_the_minor_does() -> None:
    """What kubeadm writes counts, and what a drop-in says; not what else the node has."""
    old = {"w1": {"cgroup_version": 1}}
    assert plan(cluster(machines=old, api={"kubelet_fail_cgroup_v1": False})).refusals == ()
    assert plan(cluster(machines=old, api={"kubelet_fail_cgroup_v1": True})).refusals != ()
    by_drop_in = {"w1": {"cgroup_version": 1, "fail_cgroup_v1": False, "fail_cgroup_v1_stays": False}}
    assert plan(cluster(machines=by_drop_in, api={"kubelet_fail_cgroup_v1": None})).refusals == ()
    fails = {"w1": {"cgroup_version": 1, "fail_cgroup_v1": True, "fail_cgroup_v1_stays": True}}
    (refusal,) = plan(cluster(machines=fails, api={"kubelet_fail_cgroup_v1": False})).refusals
    assert refusal.problem.endswith("; a drop-in of its --config-dir, or a flag, has failCgroupV1: true")
    minor = {
        name: {
            "version": "1.33.1",
            "cgroup_version": 1,
            "flag_files": {"/etc/default/kubelet": (FLAG,)},
            "packages": packages(candidates=dict.fromkeys(PROGRAMS, ("1.34.0-1.1",))),
        }
        for name in ALL
    }
    api = {"kubeadm_version": "1.33.1", "version": "1.33.1", "workloads": ()}
    facts = cluster(machines=minor, nodes={name: {"version": "1.33.1"} for name in ALL}, api=api, target="1.34.0")
    assert plan(facts, "1.34.0").refusals == ()
