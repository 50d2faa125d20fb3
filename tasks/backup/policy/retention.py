"""Decides which backups stay and which are removed, with every reason.

It follows restic's keep rules, and protects what no rule may remove.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tasks.core.errors import Refused
from tasks.core.models.retention import Kept, Removed, Retention, RetentionDecision, StoredBackup
from tasks.core.words import duration_as_typed

SHOWN = 5
"""Limits how many ids an error lists."""


def decide_retention(
    backups: Sequence[StoredBackup], rules: Retention, *, now: datetime, time_zone: str, complete: bool = True
) -> RetentionDecision:
    """Keeps what any of `rules` wants, and always the newest, locked, foreign and future backups.

    Hours, days, weeks (ISO), months and years are those of the wall clock in `time_zone` (IANA). Only a verified backup
    with a time up to `now` fills a slot of a rule. Among equal times the greater id is the newer one. `Refused` when
    the listing is not `complete`, names an id twice, or cannot be judged by these rules, this `now` and this zone.
    """
    _refuse_doubtful_input(backups, rules, now=now, complete=complete)
    newest_first = sorted(backups, key=lambda backup: (backup.taken_at, backup.id), reverse=True)
    eligible = [backup for backup in newest_first if backup.verified and backup.taken_at <= now]
    verdicts = {backup.id: _Verdict(whatever_the_rules_say=_protections(backup, now)) for backup in newest_first}
    if eligible:
        verdicts[eligible[0].id].wanted.append("the newest verified backup is never removed")
    _apply_last(eligible, rules.last, verdicts)
    _apply_periods(eligible, rules, _zone(time_zone), verdicts)
    _apply_within(eligible, rules.within, now, verdicts)
    return RetentionDecision(
        kept=tuple(Kept(id=name, reasons=verdict.reasons) for name, verdict in verdicts.items() if verdict.reasons),
        removed=tuple(
            Removed(id=name, reason=verdict.why_not) for name, verdict in verdicts.items() if not verdict.reasons
        ),
    )


@dataclass
class _Verdict:
    """Collects what each rule decides on one backup."""

    whatever_the_rules_say: list[str]
    wanted: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    """It lists the rules whose slots newer backups fill."""
    beaten: list[str] = field(default_factory=list)
    """It lists the periods that a newer backup represents."""
    too_old: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        return (*self.wanted, *self.whatever_the_rules_say)

    @property
    def why_not(self) -> str:
        parts = (
            f"newer backups fill {', '.join(self.full)}" if self.full else "",
            f"a newer backup stands for {', '.join(self.beaten)}" if self.beaten else "",
            self.too_old,
        )
        return f"no rule keeps it: {'; '.join(part for part in parts if part)}"


def _refuse_doubtful_input(backups: Sequence[StoredBackup], rules: Retention, *, now: datetime, complete: bool) -> None:
    if not complete:
        raise Refused(
            "the listing of backups is incomplete: nothing is removed",
            hint="run it again when the store lists all of them",
        )
    counts = (rules.last, *(getattr(rules, rule) for rule in _PERIODS))
    if max(counts) <= 0 and rules.within <= timedelta(0):
        raise Refused("the retention rules keep nothing: nothing is removed", hint="give one of them a value above 0")
    if now.utcoffset() is None:
        raise Refused(f"the time {now.isoformat()} has no zone: nothing is removed", hint="pass datetime.now(UTC)")
    if twice := sorted(name for name, times in Counter(backup.id for backup in backups).items() if times > 1):
        raise Refused(
            f"{len(twice)} of the backups are listed more than once: {', '.join(twice[:SHOWN])}",
            hint="nothing is removed; list the backups again, each id once",
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Refused(
            f"{name!r} is not a time zone of the IANA database: nothing is removed",
            hint="write for example UTC or Europe/Berlin in backup.time_zone",
        ) from None


def _protections(backup: StoredBackup, now: datetime) -> list[str]:
    """Returns why no rule may remove the backup.

    Such a backup takes no slot unless it wins one as any other would.
    """
    protections = []
    if backup.locked_until and backup.locked_until > now:
        protections.append(f"locked until {_in_utc(backup.locked_until)}")
    if backup.lock_unknown:
        protections.append(f"the store does not tell whether it is locked: {backup.lock_unknown}")
    if backup.taken_at > now:
        protections.append(f"its time {_in_utc(backup.taken_at)} is in the future: a clock is wrong")
    if not backup.verified:
        protections.append("not verified by us: left alone")
    return protections


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _hour(local: datetime) -> str:
    """Returns the name of the hour with its UTC offset.

    The hour that the end of daylight saving time repeats is two hours.
    """
    text = local.isoformat(sep=" ", timespec="hours")
    hour_ends = len("2026-11-23 14")
    return f"hour {text[:hour_ends]}:00{text[hour_ends:]}"


def _day(local: datetime) -> str:
    return f"day {local.date()}"


def _week(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"week {year:04}-W{week:02}"


def _month(local: datetime) -> str:
    return f"month {local.year:04}-{local.month:02}"


def _year(local: datetime) -> str:
    return f"year {local.year:04}"


_PERIODS: dict[str, Callable[[datetime], str]] = {
    "hourly": _hour,
    "daily": _day,
    "weekly": _week,
    "monthly": _month,
    "yearly": _year,
}
"""Maps each rule to the function that names the period of a local time; one name is one slot."""


def _apply_last(eligible: Sequence[StoredBackup], count: int, verdicts: dict[str, _Verdict]) -> None:
    if count > 0:
        for backup in eligible[:count]:
            verdicts[backup.id].wanted.append(f"one of the last {count}")
        for backup in eligible[count:]:
            verdicts[backup.id].full.append(f"last {count}")


def _apply_periods(
    eligible: Sequence[StoredBackup], rules: Retention, zone: ZoneInfo, verdicts: dict[str, _Verdict]
) -> None:
    local_times = [_local(backup, zone) for backup in eligible]
    for rule, period_of in _PERIODS.items():
        if (count := getattr(rules, rule)) > 0:
            _fill_slots(
                [(verdicts[backup.id], period_of(local)) for backup, local in zip(eligible, local_times, strict=True)],
                rule,
                count,
            )


def _local(backup: StoredBackup, zone: ZoneInfo) -> datetime:
    try:
        return backup.taken_at.astimezone(zone)
    except OverflowError:
        raise Refused(
            f"backup {backup.id} has an impossible time, {_in_utc(backup.taken_at)}: nothing is removed",
            hint="find what wrote it, and move it out of the backups' prefix",
        ) from None


def _fill_slots(newest_first: Sequence[tuple[_Verdict, str]], rule: str, count: int) -> None:
    """Gives each of the last `count` periods that have a backup to the newest backup in it.

    As in restic, the oldest backup stays while not all periods have one. A young cluster keeps its whole history. It
    still has a backup from its first days when its first month or year is over. Periods are remembered, not compared
    with the previous one: if clocks go back over midnight, the backups of one day are not in one row.
    """
    taken: set[str] = set()
    for number, (verdict, period) in enumerate(newest_first, 1):
        if period in taken and number == len(newest_first) and len(taken) < count:
            verdict.wanted.append(f"the oldest, while {rule} {count} is not full")
        elif period in taken:
            verdict.beaten.append(period)
        elif len(taken) < count:
            taken.add(period)
            verdict.wanted.append(f"newest of {period}")
        else:
            verdict.full.append(f"{rule} {count}")


def _apply_within(
    eligible: Sequence[StoredBackup], within: timedelta, now: datetime, verdicts: dict[str, _Verdict]
) -> None:
    if within > timedelta(0):
        length = duration_as_typed(within)
        for backup in eligible:
            if now - backup.taken_at < within:
                verdicts[backup.id].wanted.append(f"within {length}")
            else:
                verdicts[backup.id].too_old = f"not younger than {length}"
