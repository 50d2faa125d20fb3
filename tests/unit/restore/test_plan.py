"""Whether a restore may begin, what it will do, and what it goes on with."""

from typing import Any

import pytest

from tasks.control_plane.models import ControlPlaneNode, Phase, RestoreRecord
from tasks.core.models.plan import Mode
from tasks.restore.models import Difference, RestoreRequest
from tasks.restore.policy.acts import REVISION_BUMP, etcdutl_words
from tasks.restore.policy.plan import backup_to_look_for
from tasks.restore.policy.rollback import plan_rollback
from tests.facts.restore import BACKUP_ID, MIB, ORIGIN, WORKER, backup, facts, member, node, plan, record


def test_the_plan_has_every_node_and_every_command() -> None:
    """In the order in which they are done: nothing is stopped before all new data is there."""
    made = plan(facts(node("cp1"), node("cp2"), WORKER, live_revision=5000))
    assert made.refusals == ()
    assert made.initial_cluster == "cp1=https://cp1:2380,cp2=https://cp2:2380"
    acts = [(step.subject, step.act) for step in made.steps]
    assert [subject for subject, _ in acts] == [
        "cp1",
        "cp2",
        "cp1",
        "cp2",
        "cp1",
        "cp2",
        "cp1, cp2",
        "cp1, cp2",
        "cp1, cp2, w1",
    ]
    assert "--data-dir /var/lib/etcd.restore-11111111 --name cp1 " in acts[0][1]
    assert f"--bump-revision {REVISION_BUMP} --mark-compacted" in acts[0][1]
    assert "into kube-runbooks-parked, beside the kubelet's folder of static pods" in acts[2][1]
    assert acts[4][1] == (
        "`mv /var/lib/etcd /var/lib/etcd.before-11111111`, `mv /var/lib/etcd.restore-11111111 /var/lib/etcd`"
    )
    assert acts[8][1].startswith("`systemctl restart kubelet`")
    told = " / ".join(caution.problem for caution in made.cautions)
    assert "everything written since 2026-11-23 10:00:00 UTC (2 h ago) will be gone" in told
    assert "289 revisions will be lost" in told


def test_revisions_that_a_restore_has_added_are_not_called_lost() -> None:
    """Nobody wrote them."""
    made = plan(facts(node("cp1"), live_revision=5000 + 2 * REVISION_BUMP))
    assert "289 revisions will be lost, not counting what a restore since has added" in made.cautions[1].problem


def test_a_data_directory_that_is_a_mount_point_stays_where_it_is() -> None:
    """What is in it moves."""
    made = plan(facts(node("cp1", member=member("cp1", is_mount=True))))
    assert "--data-dir /var/lib/etcd/restore-11111111" in " ".join(etcdutl_words(made, made.targets[0]))
    assert any("`mv /var/lib/etcd/member /var/lib/etcd/before-11111111/member`" in step.act for step in made.steps)


@pytest.mark.parametrize(
    ("nodes", "changes", "subject", "told"),
    [
        ((node("cp1"),), {"confirm": ""}, "--confirm", "'' does not repeat the cluster's name"),
        ((node("cp1"),), {"confirm": "Prod"}, "--confirm", "'Prod' does not repeat"),
        ((node("cp1"),), {"backup": backup(cluster="test")}, BACKUP_ID, "of cluster test, not of prod"),
        ((node("cp1"),), {"from_cluster": "test"}, BACKUP_ID, "of cluster prod, not of test"),
        ((node("cp1"),), {"lost": ("cp9",)}, "--lost", "cp9 is neither a node of the profile nor a member of etcd"),
        ((node("cp1"), ControlPlaneNode(name="cp2", unreached="no route")), {}, "cp2", "not reached: no route"),
        ((node("cp1", missing=("zstd",)),), {}, "cp1", "has no zstd"),
        ((node("cp1", tools_problem="cp1: no etcdutl 3.6"),), {}, "cp1", "no etcdutl 3.6"),
        ((node("cp1", member=None, not_understood="its etcd is odd"),), {}, "cp1", "its etcd is odd"),
        (
            (node("cp1", member=member("cp1", version="3.5.21")),),
            {},
            "cp1",
            "its etcd is 3.5, the backup was taken by 3.6.8",
        ),
        ((node("cp1", member=member("cp1", version="3.8.0")),), {}, "cp1", "its etcd is 3.8"),
        ((node("cp1", member=member("cp1", version="")),), {}, "cp1", "version is not known"),
        ((node("cp1", member=member("cp1", free_bytes=21 * MIB)),), {}, "cp1", "a second data directory needs"),
        ((node("cp1", work_free_bytes=19 * MIB),), {}, "cp1", "the snapshot needs"),
        (
            (node("cp1", member=member("cp1", free_bytes=0, data_problem="df: Input/output error")),),
            {},
            "cp1",
            "/var/lib/etcd: df: Input/output error",
        ),
        ((node("cp1", work_problem="df: Input/output error"),), {}, "cp1", "restore: df: Input/output error"),
        ((node("cp1", member=member("cp1", obstacles=("its log is apart",))),), {}, "cp1", "its log is apart"),
        (
            (node("cp1", member=member("cp1", peers=("cp1", "cp7"))),),
            {},
            "cp7",
            "cp1 has a flag that names a member cp7, which is on no node of the profile",
        ),
        ((node("cp1", client_problem="healthcheck-client.crt ended"),), {}, "cp1", "healthcheck-client.crt ended"),
        ((node("cp1", unseen="not readable"),), {}, "cp1", "what runs on it is not known: not readable"),
        ((node("cp1", member=None, unseen="not readable"),), {}, "cp1", "what runs on it is not known: not readable"),
        (
            (node("cp1", member=member("cp1", held_by="process 47 (etcd)")),),
            {},
            "cp1",
            "process 47 (etcd) has the database in /var/lib/etcd open",
        ),
        ((WORKER,), {}, "prod", "no reachable node has an etcd member"),
        ((node("e1", manifests={}),), {}, "prod", "no reachable node has the manifest of an API server"),
    ],
)
def test_what_forbids_it_is_said_before_anything_is_done(
    nodes: tuple[ControlPlaneNode, ...], changes: dict[str, Any], subject: str, told: str
) -> None:
    """With the next step, and no steps beside it."""
    made = plan(facts(*nodes), **changes)
    assert made.steps == ()
    assert any(refusal.subject == subject and told in refusal.problem for refusal in made.refusals)
    assert all(refusal.next_step for refusal in made.refusals)


def test_a_backup_of_the_minor_version_before_and_one_of_a_named_cluster_are_fine() -> None:
    """etcd reads data of its own minor version and of the one before."""
    assert plan(facts(node("cp1", member=member("cp1", version="3.7.0")))).refusals == ()
    assert plan(facts(node("cp1")), backup=backup(cluster="test"), from_cluster="test").refusals == ()


@pytest.mark.parametrize(
    ("origin", "named", "told"),
    [
        ({"authorities": ["bb" * 32]}, "ca", f"has the CA {'b' * 16}, this cluster has {'a' * 16}"),
        ({"nodes": ["prod1", "prod2"]}, "nodes", "none of its nodes (prod1, prod2) is a node of the profile (cp1, w1)"),
    ],
)
def test_the_backup_of_another_cluster_is_refused_unless_the_difference_is_named(
    origin: dict[str, list[str]], named: Difference, told: str
) -> None:
    """Production's onto staging's machines under a profile of the same name; after a rotation of the CA it is the cluster's own."""
    found, other = facts(node("cp1"), WORKER), backup(origin=ORIGIN | origin)
    [refusal] = plan(found, backup=other).refusals
    assert told in refusal.problem
    assert f"--may-differ={named}" in refusal.next_step
    assert plan(found, backup=other, may_differ=(named,)).refusals == ()
    begun = facts(node("cp1", record=record(Phase.STOPPED)), WORKER)
    going = plan(begun, backup=other)
    assert going.refusals == ()
    assert told in str(going.cautions)


def test_the_same_cluster_with_other_ids_names_and_nodes_is_cautioned_of() -> None:
    """etcd's id changes with every restore, a CA is rotated with both in one file, nodes come and go."""
    found = facts(node("cp9", authorities=("aa" * 32, "bb" * 32)), WORKER, live_ids=("c7",))
    made = plan(found)
    told = str(made.cautions)
    assert made.refusals == ()
    assert "its etcd had the members cp1, cp2, here are cp9" in told
    assert "it is of etcd cluster c1; what runs now is etcd cluster c7" in told
    assert "nodes of the backup that the profile does not have: cp1, cp2" in told
    assert len(plan(facts(node("cp1"), node("cp2"), WORKER, live_ids=("c1",))).cautions) == 1


def test_what_is_not_known_of_either_is_said_to_be_not_compared() -> None:
    """A backup of an earlier version says nothing; a node may not show its CA."""
    old = plan(facts(node("cp1")), backup=backup(origin={}))
    assert old.refusals == ()
    assert "it does not say which CA its cluster has" in str(old.cautions)
    assert "it does not say which nodes its cluster has" in str(old.cautions)
    hidden = str(plan(facts(node("cp1", authorities=(), authority_files=("/srv/ca.crt",)))).cautions)
    assert "no control plane node shows its CA (/srv/ca.crt)" in hidden
    assert "(no manifest names one)" in str(plan(facts(node("cp1", authorities=()))).cautions)


def test_a_cluster_that_works_is_not_replaced_unless_the_operator_says_so() -> None:
    """With what would be lost; neither a quorum alone nor an API server alone is a cluster that works."""
    live: dict[str, Any] = {"live_revision": 5000, "in_quorum": ("cp1",), "api_answers": ("cp1",)}
    [refusal] = plan(facts(node("cp1"), **live)).refusals
    assert refusal.problem == (
        "it works: etcd has quorum on cp1 at revision 5000, and the API server of cp1 answers; the backup is at revision 4711, "
        "of 2026-11-23 10:00:00 UTC (2 h ago): all that was written since would be lost"
    )
    assert "add --replace-healthy" in refusal.next_step
    named = plan(facts(node("cp1"), **live), replace_healthy=True)
    assert named.refusals == ()
    assert "--replace-healthy allows it" in str(named.cautions)
    assert plan(facts(node("cp1"), **live | {"api_answers": ()})).refusals == ()
    assert plan(facts(node("cp1"), **live | {"in_quorum": ()})).refusals == ()


def test_a_restore_that_serves_already_goes_on_though_the_cluster_works() -> None:
    """What works is the restored data. One that has stopped nothing yet is asked like a new one."""
    live: dict[str, Any] = {"live_revision": 5000, "in_quorum": ("cp1",), "api_answers": ("cp1",)}
    assert plan(facts(node("cp1", record=record(Phase.SERVING)), **live)).refusals == ()
    assert "it works" in plan(facts(node("cp1", record=record(Phase.PREPARED)), **live)).refusals[0].problem


def test_a_member_that_the_profile_does_not_have_may_be_named_as_lost() -> None:
    """It was replaced long ago, or its machine is gone."""
    found = facts(node("cp1", member=member("cp1", peers=("cp1", "cp7"))))
    made = plan(found, lost=("cp7",))
    assert (made.refusals, [skip.subject for skip in made.skips]) == ((), ["cp7"])


def test_a_node_that_is_not_reached_is_refused_once() -> None:
    """Its member, of which the others were told, is on a node of the profile."""
    cp1 = node("cp1", member=member("cp1", peers=("cp1", "cp2")))
    [refusal] = plan(facts(cp1, ControlPlaneNode(name="cp2", unreached="off"))).refusals
    assert (refusal.subject, refusal.problem) == ("cp2", "not reached: off")


def test_nodes_that_are_lost_are_left_out_and_warned_of() -> None:
    """They must not come back with the old state."""
    off = ControlPlaneNode(name="cp2", unreached="off")
    made = plan(facts(node("cp1"), off, node("cp3", running=())), lost=("cp2", "cp3"))
    assert made.refusals == ()
    assert [target.node for target in made.targets] == ["cp1"]
    assert made.control_planes == made.nodes == ("cp1",)
    assert [skip.subject for skip in made.skips] == ["cp2", "cp3"]
    assert sum("must not come back as it is" in caution.problem for caution in made.cautions) == 2


def test_a_node_that_is_named_as_lost_and_runs_is_refused() -> None:
    """Two such have the old quorum: their API server goes on with the old state behind the load balancer."""
    found = facts(node("cp1"), node("cp2", running=("etcd",)), node("cp3", running=("kube-scheduler",)))
    [refusal] = plan(found, lost=("cp2", "cp3")).refusals
    assert (refusal.subject, refusal.problem) == (
        "cp2",
        "named as lost, and runs etcd: that would continue with the old state",
    )


def test_a_node_that_is_named_as_lost_and_whose_processes_cannot_be_seen_is_refused() -> None:
    """Its systemd does not answer: its etcd is not among what runs, and may run."""
    found = facts(node("cp1"), node("cp2", running=(), unseen="systemd does not say which process is that of etcd"))
    [refusal] = plan(found, lost=("cp2",)).refusals
    assert refusal.subject == "cp2"
    assert (
        "named as lost, and it is not known whether etcd or an API server runs on it: systemd does not"
        in refusal.problem
    )


def test_a_restore_under_way_is_gone_on_with_and_no_other_one_is_begun() -> None:
    """Under its own id; space was needed once; and when API servers may have run, never again from the start."""
    full = member("cp1", free_bytes=0)
    going = plan(facts(node("cp1", record=record(Phase.PREPARED), member=full)))
    assert (going.id, going.serving, going.refusals) == ("22222222", False, ())
    assert plan(facts(node("cp1", record=record(Phase.SERVING)))).serving
    other = plan(facts(node("cp1", record=record(Phase.STOPPED, backup_id="20261101T000000Z-1-00000000"))))
    assert "a restore of backup 20261101T000000Z-1-00000000 is under way" in other.refusals[0].problem


def test_another_backup_is_the_way_out_when_the_restored_data_serves_and_is_bad() -> None:
    """There is no rollback any more, and a run with the same backup may never come to its end."""
    serves = record(Phase.SERVING, backup_id="20261101T000000Z-1-00000000")
    made = plan(facts(node("cp1", record=serves)))
    assert (made.refusals, made.id, made.serving) == ((), "11111111", False)
    assert (made.record.served, made.record.attempts) == (serves, ("11111111",))
    live: dict[str, Any] = {"live_revision": 5000, "in_quorum": ("cp1",), "api_answers": ("cp1",)}
    [refusal] = plan(facts(node("cp1", record=serves), **live)).refusals
    assert "add --replace-healthy" in refusal.next_step


def test_a_restore_whose_members_are_others_now_begins_anew() -> None:
    """A node was lost in between: another attempt, which knows the one before."""
    before = record(Phase.SWAPPED, members=("cp1", "cp2"))
    made = plan(facts(node("cp1", record=before)))
    assert (made.id, made.serving, made.record.attempts) == ("11111111", False, ("22222222", "11111111"))
    assert "(to /var/lib/etcd.attempt-11111111 where an earlier attempt has kept the original already)" in str(
        made.steps
    )
    full = plan(facts(node("cp1", record=before, member=member("cp1", free_bytes=0))))
    assert "a second data directory needs" in full.refusals[0].problem


def test_a_chain_of_attempts_ends_at_the_data_that_was_there_before_the_first() -> None:
    """Or before the first one after API servers have run on restored data: that data is nobody's to throw away."""
    first = RestoreRecord(id="a", backup="b", members=("cp1", "cp2", "cp3"), phase=Phase.SWAPPED)
    second = RestoreRecord(id="b", backup="b", members=("cp1", "cp3"), phase=Phase.STOPPED, replaces=first)
    third = RestoreRecord(id="c", backup="b", members=("cp1",), phase=Phase.SERVING, replaces=second)
    assert (second.attempts, second.served) == (("a", "b"), None)
    assert (third.attempts, third.served) == (("a", "b", "c"), None)
    fourth = RestoreRecord(id="d", backup="b", members=("cp3",), replaces=third)
    assert (fourth.attempts, fourth.served) == (("d",), third)
    assert RestoreRecord.model_validate_json(fourth.model_dump_json()) == fourth


def test_the_newest_attempt_of_a_chain_is_under_way_however_far_an_older_one_came_elsewhere() -> None:
    """A node that was away, or was left out, has the record of the attempt before."""
    old = record(Phase.SWAPPED, members=("cp1", "cp2"))
    new = RestoreRecord(id="3", backup=BACKUP_ID, members=("cp1",), phase=Phase.PREPARED, replaces=old)
    found = facts(node("cp1", record=new), node("cp2", record=old))
    assert found.under_way == new
    back = plan_rollback(found, RestoreRequest(cluster="prod", confirm="prod"))
    assert (back.refusals, back.record.attempts) == ((), ("22222222", "3"))
    assert "(the data from before attempt 22222222, the first of 2)" in back.steps[0].act
    over = facts(node("cp1", over=("3", "22222222")), node("cp2", record=old))
    assert over.under_way is None


def test_no_attempt_has_the_id_of_another_one() -> None:
    """Also when the run of the first one is retried after the second, or after a rollback: its traces are not taken for its own."""
    old = RestoreRecord(id="11111111", backup=BACKUP_ID, members=("cp1",), phase=Phase.SWAPPED)
    new = RestoreRecord(id="3", backup=BACKUP_ID, members=("cp2",), phase=Phase.SWAPPED, replaces=old)
    assert plan(facts(node("cp1", record=new))).id == "2-11111111"
    assert plan(facts(node("cp1", over=("11111111", "2-11111111")))).id == "3-11111111"


def test_a_run_that_had_come_to_its_end_does_nothing_more() -> None:
    """Its retry must not restore a second time."""
    assert plan(facts(node("cp1", ended=("11111111",)))).ended
    assert not plan(facts(node("cp1", ended=("33333333",)))).ended


def test_latest_is_the_backup_that_a_restore_under_way_has_begun_with() -> None:
    """A newer one was perhaps taken since; one that is named is meant."""
    begun = facts(node("cp1", record=record(Phase.STOPPED)))
    assert backup_to_look_for(begun, "latest") == BACKUP_ID
    assert backup_to_look_for(begun, "another") == "another"
    assert backup_to_look_for(facts(node("cp1")), "latest") == "latest"


def test_a_plan_alone_needs_no_confirmation() -> None:
    """It does nothing."""
    assert plan(facts(node("cp1")), confirm="", mode=Mode.PLAN).refusals == ()


def test_a_cluster_that_does_not_say_whether_it_works_may_work_all_the_same() -> None:
    """Its member runs, and its certificate has expired, for example: no answer is not "nothing to lose"."""
    found = plan(facts(node("cp1"), not_asked=("cp1: healthcheck-client.crt has expired",)))
    assert "it may work all the same: cp1: healthcheck-client.crt has expired" in str(found.cautions)
    assert found.refusals == ()


def test_a_certificate_that_the_last_proof_needs_is_looked_at_before_anything_is_stopped() -> None:
    """Of a restore that has stopped the cluster it is a caution: that has to come to its end."""
    expired = "cp1: /etc/kubernetes/admin.conf: the certificate expired"
    [refusal] = plan(facts(node("cp1"), administrator_problem=expired)).refusals
    assert (refusal.subject, refusal.problem) == (
        "API",
        f"{expired}: the run could not check afterwards whether the API works",
    )
    begun = plan(facts(node("cp1", record=record(Phase.STOPPED)), administrator_problem=expired))
    assert begun.refusals == ()
    assert expired in str(begun.cautions)
