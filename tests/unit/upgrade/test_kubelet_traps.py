"""What a kubelet of some minor does not start with, told before it gets there."""

from tests.facts.upgrade import ALL, PROGRAMS, cluster, packages
from tests.facts.upgrade_plan import FLAG, plan


def test_a_containerd_that_was_installed_and_not_restarted_does_not_count() -> None:
    """What runs has to answer the new kubelet; of a node with CRI-O it is not asked."""
    old = {"containerd": "2.1.4", "containerd_runs": "1.6.20"}
    planned = plan(cluster(machines={"w1": old}))
    assert [one.problem for one in planned.cautions] == [
        "containerd 1.6.20 runs, although 2.1.4 is installed: it was not restarted",
        "containerd 1.6.20 is older than 1.7: kubelet v1.37.2 warns and goes on",
    ]
    crio = {"active": {"kubelet": True, "crio": True}}
    assert plan(cluster(machines={"w1": old | crio}, nodes={"w1": {"runtime": "cri-o://1.36.0"}})).cautions == ()


def test_what_the_end_of_a_chain_does_not_run_on_is_refused_before_its_start() -> None:
    """A kubelet that does not start in an hour is better known now."""
    facts = cluster(machines={"w1": {"containerd": "1.7.24"}}, api={"deprecated": {"apps/v1beta9/things": "1.38"}})
    problems = {one.subject: one.problem for one in plan(facts, "1.38.1", chain=True).refusals}
    assert problems["w1"] == "containerd 1.7.24: kubelet v1.38.1 needs 2.0 or newer (since v1.38)"
    assert "apps/v1beta9/things" in problems
    assert plan(facts).refusals == ()


def test_cgroup_v1_is_fine_where_the_clusters_configuration_allows_it_or_the_minor_does() -> None:
    """What kubeadm writes counts, not what the node has."""
    old = {"w1": {"cgroup_version": 1}}
    assert plan(cluster(machines=old, api={"kubelet_fail_cgroup_v1": False})).refusals == ()
    assert plan(cluster(machines=old, api={"kubelet_fail_cgroup_v1": True})).refusals != ()
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
