"""What retention promises of any backups and any rules."""

from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.backup.policy.retention import decide_retention
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.retention import Retention, RetentionDecision, StoredBackup
from tests.facts.retention import COUNTED, FOREIGN, NEWEST, kept_ids, moment, reasons

thorough = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
quick = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])

MINUTE = timedelta(minutes=1)
nows = st.sampled_from(
    [
        moment("2026-11-23T12:00:00Z"),
        moment("2026-10-25T03:30:00Z"),  # just after the end of daylight saving in Berlin
        moment("2026-03-29T05:00:00Z"),  # just after its start
        moment("2027-01-02T11:15:00Z"),  # ISO week 53 of the year before
    ]
)
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "Pacific/Auckland", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
ages_in_minutes = st.one_of(
    st.integers(0, 300),  # many in one hour, and equal times
    st.integers(0, 12 * 24 * 60),
    st.integers(0, 4 * 366 * 24 * 60),
    st.integers(-300, 0),  # from the future, or from right now
)
counts = st.integers(0, 4)
locks = st.sampled_from([None, None, None, -1, 0, 1])  # minutes from now
lengths = st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=1), timedelta(days=2), timedelta(days=60)])


@st.composite
def rule_sets(draw: st.DrawFn) -> Retention:
    """Any rules that the model lets through."""
    numbers = draw(st.tuples(*[counts] * len(COUNTED)))
    values = dict(zip(COUNTED, numbers, strict=True)) | {"within": draw(lengths)}
    return Retention.model_validate(values if any(values.values()) else {"last": 1})


class Case(Model):
    """What `decide_retention` is asked."""

    backups: tuple[StoredBackup, ...]
    rules: Retention
    now: UtcTime
    time_zone: str

    def decide(self, backups: list[StoredBackup] | None = None, rules: Retention | None = None) -> RetentionDecision:
        """The decision, on other backups or by other rules if given."""
        asked = list(self.backups) if backups is None else backups
        return decide_retention(asked, rules or self.rules, now=self.now, time_zone=self.time_zone)

    def eligible(self) -> list[StoredBackup]:
        """What may fill slots, newest first."""
        fit = [backup for backup in self.backups if backup.verified and backup.taken_at <= self.now]
        return sorted(fit, key=lambda backup: (backup.taken_at, backup.id), reverse=True)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Backups of any age in any order, some foreign, some locked, some from the future."""
    now = draw(nows)
    facts = st.tuples(ages_in_minutes, st.sampled_from([True, True, True, False]), locks)
    backups = [
        StoredBackup(
            id=f"b{number:02}",
            taken_at=now - age * MINUTE,
            verified=verified,
            locked_until=None if lock is None else now + lock * MINUTE,
        )
        for number, (age, verified, lock) in enumerate(draw(st.lists(facts, max_size=16)))
    ]
    return Case(backups=tuple(backups), rules=draw(rule_sets()), now=now, time_zone=draw(zones))


@quick
@given(cases())
def test_every_backup_is_kept_or_removed_once_and_newest_first(case: Case) -> None:
    """No backup is lost from the decision, none is in it twice, and both lists are newest first."""
    decision = case.decide()
    kept, removed = kept_ids(decision), [gone.id for gone in decision.removed]
    assert sorted(kept + removed) == sorted(backup.id for backup in case.backups)
    newest_first = sorted(case.backups, key=lambda backup: (backup.taken_at, backup.id), reverse=True)
    assert kept == [backup.id for backup in newest_first if backup.id in kept]
    assert removed == [backup.id for backup in newest_first if backup.id in removed]


@quick
@given(cases())
def test_the_newest_verified_backup_is_always_kept(case: Case) -> None:
    """Whatever the rules say, the newest backup that can be trusted stays, and the reason says so."""
    said = reasons(case.decide())
    assert [name for name, why in said.items() if NEWEST in why] == [backup.id for backup in case.eligible()[:1]]


@quick
@given(cases())
def test_a_time_in_the_future_does_not_weaken_the_newest_one(case: Case) -> None:
    """A backup from the future stays, and so does the newest one with a time that can be true."""
    kept = set(kept_ids(case.decide()))
    future = {backup.id for backup in case.backups if backup.taken_at > case.now}
    assert future | {backup.id for backup in case.eligible()[:1]} <= kept


@quick
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_listing_does_not_matter(case: Case, random: Random) -> None:
    """A store may list in any order and gets the same decision, reasons included."""
    shuffled = list(case.backups)
    random.shuffle(shuffled)
    assert case.decide(shuffled) == case.decide()


@quick
@given(cases())
def test_a_locked_or_foreign_backup_is_never_removed(case: Case) -> None:
    """A lock that has not ended, and a backup that is not ours, each stay with their reason."""
    said = reasons(case.decide())
    for backup in case.backups:
        locked = backup.locked_until is not None and backup.locked_until > case.now
        assert any(why.startswith("locked until ") for why in said[backup.id]) == locked
        assert (FOREIGN in said[backup.id]) == (not backup.verified)


@quick
@given(cases())
def test_a_lock_only_adds(case: Case) -> None:
    """With locks stays what stays without them, and the locked ones: a lock takes no slot from another backup."""
    unlocked = [backup.model_copy(update={"locked_until": None}) for backup in case.backups]
    locked = {backup.id for backup in case.backups if backup.locked_until and backup.locked_until > case.now}
    assert set(kept_ids(case.decide())) == set(kept_ids(case.decide(unlocked))) | locked


@quick
@given(cases())
def test_foreign_and_future_backups_take_no_slots(case: Case) -> None:
    """The decision on the others is word for word the same when foreign and future backups are not there."""
    said = reasons(case.decide())
    assert reasons(case.decide(case.eligible())) == {backup.id: said[backup.id] for backup in case.eligible()}


@quick
@given(cases(), rule_sets())
def test_more_generous_rules_never_keep_less(case: Case, more: Retention) -> None:
    """Raising any of the numbers removes nothing that was kept."""
    raised = {rule: getattr(case.rules, rule) + getattr(more, rule) for rule in (*COUNTED, "within")}
    assert set(kept_ids(case.decide())) <= set(kept_ids(case.decide(rules=Retention.model_validate(raised))))


@quick
@given(cases())
def test_applying_it_twice_removes_nothing_more(case: Case) -> None:
    """What was kept is kept again at the same moment, for the same reasons."""
    first = case.decide()
    second = case.decide([backup for backup in case.backups if backup.id in kept_ids(first)])
    assert second.kept == first.kept
    assert not second.removed


@quick
@given(cases(), st.integers(1, 6))
def test_last_keeps_exactly_that_many(case: Case, last: int) -> None:
    """`last` alone keeps the newest N of those that count, and nothing else but what is protected."""
    kept = kept_ids(case.decide(rules=Retention(last=last)))
    unprotected = [b.id for b in case.eligible() if not (b.locked_until and b.locked_until > case.now)]
    newest = [backup.id for backup in case.eligible()[:last]]
    assert [name for name in kept if name in unprotected or name in newest] == newest


@thorough
@given(cases())
def test_it_agrees_with_the_definition_of_each_rule(case: Case) -> None:
    """A rule wants a backup if no newer one is in its period and fewer than N newer periods have one.

    And the oldest, while fewer than N periods have one.
    """
    forms = {"hourly": "%Y%m%d%H%z", "daily": "%Y%m%d", "weekly": "%G%V", "monthly": "%Y%m", "yearly": "%Y"}
    eligible, zone = case.eligible(), ZoneInfo(case.time_zone)
    wanted = {backup.id for backup in [*eligible[:1], *eligible[: case.rules.last]]}
    wanted |= {backup.id for backup in eligible if case.now - backup.taken_at < case.rules.within}
    for rule, form in forms.items():
        periods = [backup.taken_at.astimezone(zone).strftime(form) for backup in eligible]
        wanted |= {
            backup.id
            for place, backup in enumerate(eligible)
            if periods[place] not in periods[:place] and len(set(periods[:place])) < getattr(case.rules, rule)
        }
        wanted |= {backup.id for backup in eligible[-1:] if len(set(periods)) < getattr(case.rules, rule)}
    protected = {
        backup.id
        for backup in case.backups
        if backup not in eligible or (backup.locked_until and backup.locked_until > case.now)
    }
    assert set(kept_ids(case.decide())) == wanted | protected
