"""What a run does on a node, decided from what is there: invariants first, then what each kind of beginning comes to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.models.folders import PATCHES
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions, RebootRule
from tasks.os_patch.models.plan import NodePatch, PatchOrders
from tasks.os_patch.policy.intent import (
    Course,
    Standing,
    as_of,
    decide_course,
    intent_of,
    why_another_plan,
    why_not_as_planned,
    why_unknown,
)
from tests.facts.patch import CLEAN, CURL, KERNEL, OPENSSL, PROTECTED, intent, patch, updates

HOLDS = {"is_begun": False, "is_attached": False, "is_ours": False, "has_failed": False}
NODE: dict[str, Any] = {"name": "w1", "control_plane": False, "changes": (CURL, OPENSSL), "expected": 0, "needs": 0}


def orders(run_id: str = "run-1", **options: object) -> PatchOrders:
    """Of a run."""
    return PatchOrders(options=PatchOptions.model_validate(options), run_id=run_id)


def course(facts: PatchFacts, told: PatchOrders | None = None, **holds: bool) -> Course:
    """With the intent that is in the facts."""
    standing = Standing(intent=facts.intent, **HOLDS | holds) if facts.intent else None
    return decide_course(facts, told or orders(), standing)


# --- what an earlier attempt has left


@given(
    holds=st.fixed_dictionaries(dict.fromkeys(HOLDS, st.booleans())),
    run_id=st.sampled_from(["run-0", "run-1", "run-2"]),
    broken=st.sampled_from([(), ("curl",)]),
)
def test_what_a_run_resumes_is_its_own_from_then_on(
    holds: dict[str, bool], run_id: str, broken: tuple[str, ...]
) -> None:
    """The first run, its boot and its protected packages stay; a run is named once."""
    left = intent(later=("run-1",))
    facts = patch(intent=left, updates=updates(broken=broken))
    found = course(facts, orders(run_id), **holds)
    if found.intent is None:
        assert not holds["is_begun"]
        assert not holds["is_attached"]
        assert not found.is_taken_over
        return
    assert found.intent.runs == (*left.runs, *(() if run_id in left.runs else (run_id,)))
    assert found.is_taken_over is (run_id not in left.runs)
    assert (found.intent.run_id, found.intent.boot_id) == ("run-0", "b1")
    begun = intent_of(found, run_id)
    assert {one.package for one in begun.changes} >= {one.package for one in found.due}
    assert begun.protected == left.protected


@pytest.mark.parametrize(
    ("run_id", "holds", "resumed"),
    [
        ("run-0", {"is_ours": True}, True),
        ("run-0", {}, False),
        ("run-1", {"is_ours": True}, False),
        ("run-1", {"is_begun": True}, True),
        ("run-1", {"is_attached": True}, True),
    ],
)
def test_an_intent_is_resumed_by_its_own_run_by_the_plan_or_by_a_job(
    run_id: str,
    holds: dict[str, bool],
    resumed: bool,  # noqa: FBT001 - a table
) -> None:
    """One that nobody has gone on with says nothing."""
    assert (course(patch(intent=intent()), orders(run_id), **holds).intent is not None) is resumed


def test_what_a_person_has_done_since_a_failed_run_is_taken_as_it_is() -> None:
    """But where dpkg was cut off: then all that was wanted is looked at again."""
    left = intent(changes=(CURL, OPENSSL))
    facts = patch(intent=left, delta=(CURL,), updates=CLEAN)
    found = course(facts, is_begun=True, has_failed=True)
    assert found.intent is not None
    assert (found.intent.changes, found.mended) == ((CURL,), ("openssl was not installed in 3.0.22",))
    assert course(facts, is_begun=True).mended == ()
    broken = facts.model_copy(update={"updates": updates(changes=(), broken=("curl",))})
    again = course(broken, is_begun=True, has_failed=True)
    assert (again.mended, again.due) == ((), (CURL, OPENSSL))


# --- what is due


def test_a_node_is_disturbed_for_packages_a_repair_or_a_reboot() -> None:
    """One that has all of it is proven and given back."""
    assert course(patch()).is_disturbing
    assert course(patch()).installs
    assert not course(patch(updates=CLEAN)).is_disturbing
    pending = course(patch(updates=CLEAN, reboot_required=True))
    assert (pending.is_disturbing, pending.installs) == (True, False)
    broken = patch(updates=updates(changes=(), broken=("curl",)))
    assert not course(broken, orders(reboot="never")).installs
    assert course(broken, orders(reboot="never", repair=True)).installs


def test_a_run_that_was_only_to_reboot_does_so_once() -> None:
    """Another one does it again."""
    facts = patch(updates=CLEAN, last_run="run-1")
    assert not course(facts, orders(reboot=RebootRule.ALWAYS)).is_disturbing
    assert course(facts, orders("run-2", reboot=RebootRule.ALWAYS)).is_disturbing


def test_a_boot_that_an_old_run_wanted_is_no_reason() -> None:
    """It counts where that one is resumed."""
    old = patch(updates=CLEAN, intent=intent(changes=(KERNEL,)), reboot_required=False)
    assert not course(old).is_disturbing
    assert course(old, is_begun=True).is_disturbing


def test_a_fresh_intent_says_what_was_there() -> None:
    """What the proof compares with."""
    facts = patch(failed_units=("a.service",), intent=None)
    made = intent_of(course(facts), "run-1")
    assert made == PatchIntent(
        run_id="run-1",
        boot_id="b1",
        changes=(CURL, OPENSSL),
        protected=PROTECTED,
        failed_units=("a.service",),
        clock_synced=True,
        kernel="6.1.0-26-amd64",
        system_state="running",
    )


# --- what stops it


def test_a_machine_that_does_not_say_is_not_judged() -> None:
    """With the next step; one that dpkg was cut off on says enough."""
    away = why_unknown(PatchFacts(name="w1", unreached="no route"))
    assert away is not None
    assert (away.text, away.next_step) == ("no route", "check its sshd and its network")
    mute = why_unknown(patch(updates=updates(problem="E: no route")))
    assert mute is not None
    assert (mute.text, mute.next_step) == ("w1: E: no route", updates().repair)
    silent = why_unknown(patch(unseen=("which units have failed: no bus",), updates=updates(broken=("curl",))))
    assert silent is not None
    assert silent.text == "w1: not known: which units have failed: no bus"
    assert why_unknown(patch(updates=updates(problem="E: dpkg was interrupted", broken=("curl",)))) is None
    assert why_unknown(patch()) is None


def test_what_nobody_has_planned_is_not_begun() -> None:
    """A newer version, one package more, or what dpkg was cut off in."""
    node = NodePatch.model_validate(NODE)
    assert why_another_plan(course(patch()), node, orders()) is None
    more = why_another_plan(course(patch(updates=updates(changes=(CURL, KERNEL)))), node, orders())
    assert more is not None
    assert more.text == f"w1: not in the plan, and would be installed now: {KERNEL.in_words}"
    assert "run it again" in more.next_step
    broken = course(patch(updates=updates(broken=("curl",))))
    half = why_another_plan(broken, node, orders())
    assert half is not None
    assert half.text == "w1: not wholly installed: curl"
    assert why_another_plan(broken, node, orders(repair=True)) is None


def test_what_came_is_compared_with_the_intent() -> None:
    """Packages, protected ones, and what is half there."""
    good = patch(intent=intent(), delta=(CURL, OPENSSL))
    assert why_not_as_planned(good) is None
    assert why_not_as_planned(patch()) is None
    bad = patch(
        intent=intent(),
        delta=(CURL, OPENSSL),
        updates=updates(protected={"kubelet": "2"}, broken=("curl",)),
    )
    found = why_not_as_planned(bad)
    assert found is not None
    assert found.text == (
        "w1: what was installed is not what was planned: kubelet was 1.36.3-1.1, and is 2; "
        "containerd was 1.6.20, and is gone; curl is not wholly installed"
    )


def test_facts_are_told_with_the_intent_of_this_run() -> None:
    """Not with one that nobody has resumed."""
    facts = patch(intent=intent(), patched_boot="b0", delta=(CURL,))
    mine = intent(run_id="run-1")
    assert as_of(facts, mine).intent == mine
    assert as_of(facts, None).model_dump(include={"intent", "patched_boot", "delta"}) == {
        "intent": None,
        "patched_boot": "",
        "delta": (),
    }
    away = PatchFacts(name="w1", unreached="no route")
    assert as_of(away, mine) == away


@pytest.mark.parametrize(
    ("manager", "words"),
    [
        (PackageManager.APT, ("apt-get update --error-on=any", "--allow-releaseinfo-change", PATCHES)),
        (PackageManager.DNF, ("dnf makecache",)),
        (PackageManager.ZYPPER, ("zypper refresh",)),
    ],
)
def test_the_repair_of_repositories_is_a_command(manager: PackageManager, words: tuple[str, ...]) -> None:
    """With the folder that it reaches."""
    assert all(word in updates(manager=manager).repair for word in words)
