"""What a run does on a node: decided before its first act, from what the machine says and what an earlier attempt has left there."""

from dataclasses import dataclass

from tasks.core.models.findings import Problem, listed
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.models.packages import Change
from tasks.os_patch.models.plan import NodePatch, PatchOrders
from tasks.os_patch.policy.proof import merged, what_delta_lacks
from tasks.os_patch.policy.reboots import was_rebooted_by, why_reboot


@dataclass(frozen=True)
class Standing:
    """How far an earlier attempt has come with a node."""

    intent: PatchIntent
    """That it has written down there."""
    is_begun: bool
    """Already when this run was planned."""
    is_attached: bool
    """An installation was under way."""
    is_ours: bool
    """A run of ours has cordoned it, and has not given it back."""
    has_failed: bool
    """That run ended by an error, and has told why: somebody may have mended it since."""


@dataclass(frozen=True)
class Course:
    """What is done on a node."""

    facts: PatchFacts
    intent: PatchIntent | None
    """That an earlier attempt has left, and this run resumes; with this run among those that had to do with it."""
    is_taken_over: bool
    """It was another run's, and is not written down as this one's yet."""
    mended: tuple[str, ...]
    """How the packages were changed by hand since that run failed."""
    due: tuple[Change, ...]
    repair: bool
    is_disturbing: bool
    """Something is done that takes its pods away. Else it is proven and given back."""

    @property
    def installs(self) -> bool:
        """The package manager has something to do."""
        return bool(self.due or self.repair)


def decide_course(facts: PatchFacts, orders: PatchOrders, standing: Standing | None) -> Course:
    """What an earlier attempt has left, what is due, and whether the node is disturbed."""
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
    """What is written down on the node before it is cordoned: a resumed intent with all that is due, or a fresh one."""
    if course.intent is None:
        return _fresh_intent(course, run_id)
    return course.intent.model_copy(update={"changes": merged(course.intent.changes, course.due)})


def why_unknown(facts: PatchFacts) -> Problem | None:
    """Why nothing is decided of a machine now. One that dpkg was cut off on says enough."""
    if facts.unreached:
        return Problem(text=facts.unreached, next_step="look at its sshd and its network")
    if facts.updates.problem and not facts.updates.broken:
        return Problem(text=f"{facts.name}: {facts.updates.problem}", next_step="look at its repositories")
    return None


def why_another_plan(course: Course, node: NodePatch, orders: PatchOrders) -> Problem | None:
    """What is there now, and nobody has planned or approved."""
    broken = course.facts.updates.broken
    if broken and not orders.options.repair:
        return Problem(
            text=f"{node.name}: not wholly installed: {', '.join(broken)}",
            next_step="look at `dpkg --audit`; node_os_patch with options.repair=true ends it by `dpkg --configure -a`",
        )
    planned = {(one.package, one.after) for one in node.changes}
    if more := [one.in_words for one in course.due if (one.package, one.after) not in planned]:
        return Problem(
            text=f"{node.name}: not in the plan, and would be installed now: {listed(more)}",
            next_step="somebody has installed or released something there since; run it again, with a plan of what is there now",
        )
    return None


def why_not_as_planned(facts: PatchFacts) -> Problem | None:
    """Right after the installation: what came is compared with the intent before anything else happens."""
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
        next_step="look at /var/log/dpkg.log there; it is not rebooted",
    )


def as_of(facts: PatchFacts, intent: PatchIntent | None) -> PatchFacts:
    """The same with the intent of this run. What an old run has written down, that nobody has resumed, says nothing."""
    if intent is None:
        return facts.model_copy(update={"intent": None, "patched_boot": "", "delta": ()})
    return facts if facts.unreached else facts.model_copy(update={"intent": intent})


def _is_resumed(standing: Standing, run_id: str) -> bool:
    """It has the node out of service: by the plan, by an installation under way, or for an attempt of the same run."""
    again = run_id in standing.intent.runs and standing.is_ours
    return standing.is_begun or standing.is_attached or again


def _taken_over(standing: Standing, facts: PatchFacts, run_id: str) -> tuple[PatchIntent, tuple[str, ...]]:
    """This run's cordon is the patch's from now on, too.

    Where the run before ended with its reason told, what a person has done about it since is taken as it is.
    """
    intent = standing.intent
    taken = intent.model_copy(update={"later": (*intent.later, run_id)})
    if not standing.has_failed or facts.updates.broken:
        return taken, ()
    changes = merged(facts.delta, facts.updates.changes)
    return taken.model_copy(update={"changes": changes}), what_delta_lacks(intent.changes, changes)


def _due(facts: PatchFacts, intent: PatchIntent | None) -> tuple[Change, ...]:
    """What is left to install; where dpkg was cut off, all that was wanted is looked at again."""
    changes = facts.updates.changes
    return merged(intent.changes, changes) if intent and facts.updates.broken else changes


def _is_reboot_due(facts: PatchFacts, orders: PatchOrders, due: tuple[Change, ...], *, resumed: bool) -> bool:
    """A run that was only to reboot the node, and has, does not do it again."""
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
