"""Decides what a run does on a node, before its first act there.

It uses what the node reports and what an earlier attempt has left.
"""

from dataclasses import dataclass

from tasks.core.models.findings import Problem, listed
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.models.packages import Change
from tasks.os_patch.models.plan import NodePatch, PatchOrders
from tasks.os_patch.policy.proof import merged, what_delta_lacks
from tasks.os_patch.policy.reboots import was_rebooted_by, why_reboot

ASK_AGAIN = "repair it there until `systemctl --failed` and `dpkg --audit` (`rpm -qa`) answer"
"""This is the next step if a node does not report its units and packages."""


@dataclass(frozen=True)
class Standing:
    """This says how far an earlier attempt has progressed on a node."""

    intent: PatchIntent
    """It holds the intent that the attempt recorded on the node."""
    is_begun: bool
    """True if the node was already begun when this run was planned."""
    is_attached: bool
    """True if an installation was under way."""
    is_ours: bool
    """True if a run of ours has cordoned the node and has not returned it."""
    has_failed: bool
    """True if that run failed and recorded why. Someone may have repaired the node since."""


@dataclass(frozen=True)
class Course:
    """This describes what is done on a node."""

    facts: PatchFacts
    intent: PatchIntent | None
    """It holds the intent that an earlier attempt has left and this run resumes.

    This run is listed among its runs.
    """
    is_taken_over: bool
    """True if the intent was another run's and is not yet recorded as this run's."""
    mended: tuple[str, ...]
    """It lists how the packages were changed by hand since that run failed."""
    due: tuple[Change, ...]
    repair: bool
    is_disturbing: bool
    """True if an act takes the node's pods away. Otherwise the node is only proven and returned."""

    @property
    def installs(self) -> bool:
        """Returns True if the package manager has work to do."""
        return bool(self.due or self.repair)


def decide_course(facts: PatchFacts, orders: PatchOrders, standing: Standing | None) -> Course:
    """Decides what is taken over from an earlier attempt, what is due, and if the node is disturbed."""
    left = standing.intent if standing and _is_resumed(standing, orders.run_id) else None
    taken, mended = left, tuple[str, ...]()
    if standing and left and orders.run_id not in left.runs:
        taken, mended = _taken_over(standing, facts, orders.run_id)
    due = _due(facts, taken)
    repair = orders.options.repair and bool(facts.updates.broken)
    return Course(
        facts=facts,
        intent=taken,
        is_taken_over=taken is not left,
        mended=mended,
        due=due,
        repair=repair,
        is_disturbing=bool(due or repair or _is_reboot_due(facts, orders, due, resumed=taken is not None)),
    )


def intent_of(course: Course, run_id: str) -> PatchIntent:
    """Returns the intent that is recorded on the node before the cordon.

    It is a resumed intent with everything that is due, or a fresh one.
    """
    if course.intent is None:
        return _fresh_intent(course, run_id)
    return course.intent.model_copy(update={"changes": merged(course.intent.changes, course.due)})


def why_unknown(facts: PatchFacts) -> Problem | None:
    """Returns why nothing can be decided for a node now, or `None`.

    A node with an interrupted dpkg run reports enough to decide.
    """
    if facts.unreached:
        return Problem(text=facts.unreached, next_step="check its sshd and its network")
    if facts.unseen:
        return Problem(text=f"{facts.name}: not known: {'; '.join(facts.unseen)}", next_step=ASK_AGAIN)
    if facts.updates.problem and not facts.updates.broken:
        return Problem(text=f"{facts.name}: {facts.updates.problem}", next_step=facts.updates.repair)
    return None


def why_another_plan(course: Course, node: NodePatch, orders: PatchOrders) -> Problem | None:
    """Returns what the node needs now that nobody planned or approved, or `None`."""
    broken = course.facts.updates.broken
    if broken and not orders.options.repair:
        return Problem(
            text=f"{node.name}: not wholly installed: {', '.join(broken)}",
            next_step="check `dpkg --audit`; `kube-runbooks run node-os-patch CLUSTER --repair` repairs it",
        )
    planned = {(one.package, one.after) for one in node.changes}
    if more := [one.in_words for one in course.due if (one.package, one.after) not in planned]:
        return Problem(
            text=f"{node.name}: not in the plan, and would be installed now: {listed(more)}",
            next_step="packages were installed or released there since then; run it again, with a new plan",
        )
    return None


def why_not_as_planned(facts: PatchFacts) -> Problem | None:
    """Returns where the installation differs from the intent, or `None`.

    This is checked right after the installation, before anything else happens.
    """
    planned, kept = (facts.intent.changes, facts.intent.protected) if facts.intent else ((), {})
    now = facts.updates.protected
    wrong = [
        *what_delta_lacks(planned, facts.delta),
        *(f"{name} was {was}, and is {now.get(name, 'gone')}" for name, was in kept.items() if now.get(name) != was),
        *(f"{name} is not wholly installed" for name in facts.updates.broken),
    ]
    if not wrong:
        return None
    return Problem(
        text=f"{facts.name}: what was installed is not what was planned: {'; '.join(wrong)}",
        next_step="check /var/log/dpkg.log there; it is not rebooted",
    )


def as_of(facts: PatchFacts, intent: PatchIntent | None) -> PatchFacts:
    """Returns the facts with the intent of this run. An old intent that no run resumes is removed."""
    if intent is None:
        return facts.model_copy(update={"intent": None, "patched_boot": "", "delta": ()})
    return facts if facts.unreached else facts.model_copy(update={"intent": intent})


def _is_resumed(standing: Standing, run_id: str) -> bool:
    """Returns True if this run resumes the intent.

    The plan says so, an installation was under way, or an attempt of the same run still has the node out of
    service.
    """
    again = run_id in standing.intent.runs and standing.is_ours
    return standing.is_begun or standing.is_attached or again


def _taken_over(standing: Standing, facts: PatchFacts, run_id: str) -> tuple[PatchIntent, tuple[str, ...]]:
    """Returns the intent with this run among its runs, so its cordon also belongs to the patch.

    If the previous run failed and recorded why, changes that a person made since are accepted. They are
    returned too.
    """
    intent = standing.intent
    taken = intent.model_copy(update={"later": (*intent.later, run_id)})
    if not standing.has_failed or facts.updates.broken:
        return taken, ()
    changes = merged(facts.delta, facts.updates.changes)
    return taken.model_copy(update={"changes": changes}), what_delta_lacks(intent.changes, changes)


def _due(facts: PatchFacts, intent: PatchIntent | None) -> tuple[Change, ...]:
    """Returns what is left to install. After an interrupted dpkg run, everything that was wanted is checked again."""
    changes = facts.updates.changes
    return merged(intent.changes, changes) if intent and facts.updates.broken else changes


def _is_reboot_due(facts: PatchFacts, orders: PatchOrders, due: tuple[Change, ...], *, resumed: bool) -> bool:
    """Returns True if a reboot is due.

    A run that only had to reboot the node, and has done so, does not do it again.
    """
    rule = orders.options.reboot
    known = facts if resumed else facts.model_copy(update={"intent": None, "patched_boot": ""})
    is_done = rule is RebootRule.ALWAYS and was_rebooted_by(orders.run_id, facts)
    return bool(why_reboot(rule, known, due)) and not is_done


def _fresh_intent(course: Course, run_id: str) -> PatchIntent:
    facts = course.facts
    return PatchIntent(
        run_id=run_id,
        boot_id=facts.boot_id,
        changes=course.due,
        protected=facts.updates.protected,
        failed_units=facts.failed_units,
        clock_synced=facts.clock_synced,
        kernel=facts.kernel,
        system_state=facts.system_state,
    )
