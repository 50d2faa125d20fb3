"""What retention decides: tables first, then golden files, then bad input. What holds of any rules is in test_retention_laws.py."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field

from tasks.backup.policy.retention import decide_retention
from tasks.core.errors import Refused
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.retention import Retention, RetentionDecision, StoredBackup
from tests.facts.retention import FOREIGN, NEWEST, at, kept_ids, moment, reasons

# --- tables: rules, backups oldest first, what stays (the newest always does)

TABLE = {
    "the last three": (
        {"last": 3},
        "2026-11-20T01:00Z 2026-11-21T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
        "2026-11-21T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
    ),
    "hours without a backup do not count": (
        {"hourly": 3},
        "2026-11-22T09:10Z 2026-11-22T09:50Z 2026-11-23T03:00Z 2026-11-23T10:00Z 2026-11-23T10:59Z",
        "2026-11-22T09:50Z 2026-11-23T03:00Z 2026-11-23T10:59Z",
    ),
    "days without a backup do not count": (
        {"daily": 3},
        "2026-08-01T01:00Z 2026-11-01T01:00Z 2026-11-01T23:59:59Z 2026-11-22T00:00Z 2026-11-23T09:00Z",
        "2026-11-01T23:59:59Z 2026-11-22T00:00Z 2026-11-23T09:00Z",
    ),
    "a week begins on Monday": (
        {"weekly": 2},
        "2026-11-15T23:00Z 2026-11-16T00:00Z 2026-11-22T23:59Z 2026-11-23T00:00Z 2026-11-23T09:00Z",
        "2026-11-22T23:59Z 2026-11-23T09:00Z",
    ),
    "week 53 goes on into January": (
        {"weekly": 3},
        "2020-12-27T12:00Z 2020-12-28T12:00Z 2020-12-31T12:00Z 2021-01-03T12:00Z 2021-01-04T12:00Z",
        "2020-12-27T12:00Z 2021-01-03T12:00Z 2021-01-04T12:00Z",
    ),
    "the last days of December may be week 1": (
        {"weekly": 2},
        "2025-12-28T12:00Z 2025-12-29T12:00Z 2026-01-04T12:00Z",
        "2025-12-28T12:00Z 2026-01-04T12:00Z",
    ),
    "the same week of two years is two weeks": (
        {"weekly": 5},
        "2024-11-20T12:00Z 2025-11-19T12:00Z 2026-11-18T12:00Z",
        "2024-11-20T12:00Z 2025-11-19T12:00Z 2026-11-18T12:00Z",
    ),
    "months over a gap and a change of year": (
        {"monthly": 3},
        "2025-06-30T12:00Z 2025-11-01T12:00Z 2025-11-30T12:00Z 2026-01-01T12:00Z 2026-01-31T12:00Z 2026-11-02T12:00Z",
        "2025-11-30T12:00Z 2026-01-31T12:00Z 2026-11-02T12:00Z",
    ),
    "years over a gap": (
        {"yearly": 3},
        "2018-05-05T12:00Z 2021-01-01T12:00Z 2021-12-31T23:59Z 2024-02-29T12:00Z 2026-01-01T00:00Z",
        "2021-12-31T23:59Z 2024-02-29T12:00Z 2026-01-01T00:00Z",
    ),
    "a day, the same day of the next month and of the next year are three days": (
        {"daily": 3},
        "2025-10-23T12:00Z 2026-10-23T12:00Z 2026-11-23T11:00Z",
        "2025-10-23T12:00Z 2026-10-23T12:00Z 2026-11-23T11:00Z",
    ),
    "younger than, and not as old as": (
        {"within": "48h"},
        "2026-11-21T11:59:59Z 2026-11-21T12:00:00Z 2026-11-21T12:00:01Z 2026-11-23T12:00:00Z",
        "2026-11-21T12:00:01Z 2026-11-23T12:00:00Z",
    ),
    "the newest stays even when it is too old for within": (
        {"within": "1h"},
        "2026-11-19T12:00Z 2026-11-20T12:00Z",
        "2026-11-20T12:00Z",
    ),
    "rules add up and share their winners": (
        {"last": 1, "daily": 2, "monthly": 3},
        "2026-09-10T01:00Z 2026-09-30T01:00Z 2026-10-31T01:00Z 2026-11-21T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
        "2026-09-30T01:00Z 2026-10-31T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
    ),
    "a young cluster's first backup stays while a rule is not full": (
        {"daily": 2, "yearly": 3},
        "2026-06-01T01:00Z 2026-06-02T01:00Z 2026-11-21T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
        "2026-06-01T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
    ),
    "it goes when the rule is full": (
        {"daily": 2, "yearly": 2},
        "2025-06-01T01:00Z 2025-06-02T01:00Z 2026-11-21T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
        "2025-06-02T01:00Z 2026-11-22T01:00Z 2026-11-23T01:00Z",
    ),
    "more slots than backups": (
        {"last": 100, "yearly": 100},
        "2026-11-22T01:00Z 2026-11-23T01:00Z",
        "2026-11-22T01:00Z 2026-11-23T01:00Z",
    ),
}


@pytest.mark.parametrize(("rules", "taken", "stays"), TABLE.values(), ids=TABLE.keys())
def test_rules(rules: dict[str, object], taken: str, stays: str) -> None:
    """Each rule, in UTC, on a few backups."""
    decision = decide_retention(
        [at(text) for text in taken.split()],
        Retention.model_validate(rules),
        now=moment("2026-11-23T12:00:00Z"),
        time_zone="UTC",
    )
    assert kept_ids(decision) == list(reversed(stays.split()))


ZONE_TABLE = {
    "Berlin's day of 25 hours is one day": (
        ("Europe/Berlin", {"daily": 2}),
        "2026-10-24T21:59Z 2026-10-24T22:00Z 2026-10-25T22:59Z 2026-10-25T23:00Z",
        "2026-10-25T22:59Z 2026-10-25T23:00Z",
    ),
    "the hour that Berlin repeats is two hours": (
        ("Europe/Berlin", {"hourly": 3}),
        "2026-10-24T23:30Z 2026-10-25T00:10Z 2026-10-25T00:50Z 2026-10-25T01:10Z 2026-10-25T01:50Z 2026-10-25T02:30Z",
        "2026-10-25T00:50Z 2026-10-25T01:50Z 2026-10-25T02:30Z",
    ),
    "Berlin's day of 23 hours is one day": (
        ("Europe/Berlin", {"daily": 2}),
        "2026-03-28T22:59Z 2026-03-28T23:00Z 2026-03-29T21:59Z 2026-03-29T22:00Z",
        "2026-03-29T21:59Z 2026-03-29T22:00Z",
    ),
    "the hour that Berlin skips is not missed": (
        ("Europe/Berlin", {"hourly": 2}),
        "2026-03-29T00:10Z 2026-03-29T00:50Z 2026-03-29T01:10Z",
        "2026-03-29T00:50Z 2026-03-29T01:10Z",
    ),
    "one day in UTC": (
        ("UTC", {"daily": 1}),
        "2026-11-22T10:30Z 2026-11-22T11:30Z",
        "2026-11-22T11:30Z",
    ),
    "the same two backups are on two days in Auckland": (
        ("Pacific/Auckland", {"daily": 5}),
        "2026-11-22T10:30Z 2026-11-22T11:30Z",
        "2026-11-22T10:30Z 2026-11-22T11:30Z",
    ),
    "two days in UTC are one in Auckland": (
        ("Pacific/Auckland", {"daily": 1}),
        "2026-11-22T23:30Z 2026-11-23T00:30Z",
        "2026-11-23T00:30Z",
    ),
    "the year begins in Auckland while UTC is in the old one": (
        ("Pacific/Auckland", {"yearly": 5}),
        "2025-12-31T10:59Z 2025-12-31T11:00Z 2026-01-01T12:00Z",
        "2025-12-31T10:59Z 2026-01-01T12:00Z",
    ),
    "clocks that go back over midnight do not make four days of three": (
        ("America/St_Johns", {"daily": 3}),  # 2010-11-07 00:01 became 2010-11-06 23:01
        "2010-11-05T12:00Z 2010-11-07T02:30:30Z 2010-11-07T03:00Z 2010-11-07T03:40Z",
        "2010-11-05T12:00Z 2010-11-07T03:00Z 2010-11-07T03:40Z",
    ),
}


@pytest.mark.parametrize(("where", "taken", "stays"), ZONE_TABLE.values(), ids=ZONE_TABLE.keys())
def test_periods_are_those_of_the_wall_clock(where: tuple[str, dict[str, object]], taken: str, stays: str) -> None:
    """Days, hours and years begin when the profile's time zone says so, daylight saving included."""
    time_zone, rules = where
    decision = decide_retention(
        [at(text) for text in taken.split()],
        Retention.model_validate(rules),
        now=moment("2026-11-23T12:00:00Z"),
        time_zone=time_zone,
    )
    assert kept_ids(decision) == list(reversed(stays.split()))


def test_the_clock_of_now_may_be_in_any_zone() -> None:
    """The same moment told in Berlin's second 02:30 and in UTC decides the same."""
    backups = [at("2026-10-25T00:40Z"), at("2026-10-25T01:20Z"), at("2026-10-25T01:40Z")]
    berlin = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    rules = Retention(within=timedelta(minutes=30))
    assert decide_retention(backups, rules, now=berlin, time_zone="UTC") == decide_retention(
        backups, rules, now=berlin.astimezone(UTC), time_zone="UTC"
    )


# --- words


def test_reasons_are_in_plain_words() -> None:
    """Every rule that wants a backup is named, and so is every one that does not."""
    rules = Retention(last=1, hourly=2, daily=2, weekly=1, monthly=2, yearly=1, within=timedelta(days=2))
    backups = [
        at(text)
        for text in (
            "2026-10-25T01:20Z",
            "2026-10-31T22:59Z",
            "2026-11-21T11:00Z",
            "2026-11-23T01:10Z",
            "2026-11-23T01:20Z",
        )
    ]
    decision = decide_retention(backups, rules, now=moment("2026-11-23T12:00:00Z"), time_zone="Europe/Berlin")
    assert reasons(decision) == {
        "2026-11-23T01:20Z": (
            NEWEST,
            "one of the last 1",
            "newest of hour 2026-11-23 02:00+01:00",
            "newest of day 2026-11-23",
            "newest of week 2026-W48",
            "newest of month 2026-11",
            "newest of year 2026",
            "within 2d",
        ),
        "2026-11-23T01:10Z": ("within 2d",),
        "2026-11-21T11:00Z": ("newest of hour 2026-11-21 12:00+01:00", "newest of day 2026-11-21"),
        "2026-10-31T22:59Z": ("newest of month 2026-10",),
        "2026-10-25T01:20Z": (
            (
                "no rule keeps it: newer backups fill last 1, hourly 2, daily 2, weekly 1; "
                "a newer backup stands for month 2026-10, year 2026; not younger than 2d"
            ),
        ),
    }


def test_a_removed_backup_says_which_rules_are_full() -> None:
    """Where all slots are taken, the reason is the list of the rules that took them."""
    backups = [at(f"2026-{month:02}-{day:02}T01:00Z") for month in (10, 11) for day in range(1, 21)]
    decision = decide_retention(
        backups, Retention(last=7, daily=14), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC"
    )
    assert {gone.reason for gone in decision.removed} == {"no rule keeps it: newer backups fill last 7, daily 14"}
    assert len(decision.kept) == 14


def test_what_is_kept_whatever_the_rules_say() -> None:
    """Locked, foreign and future backups each say why they stay, and all reasons if there are several."""
    backups = [
        at("2026-11-23T13:00Z", verified=False, locked_until="2027-01-01T01:00:00+01:00"),
        at("2026-11-23T12:00:01Z"),
        at("2026-11-23T11:30Z", verified=False),
        at("2026-11-23T11:00Z", locked_until="2026-11-23T12:00:00Z"),
        at("2026-11-23T10:00Z", locked_until="2026-11-23T12:00:01Z"),
        at("2026-11-23T09:00Z", locked_until="2026-11-23T12:00:00Z"),
    ]
    decision = decide_retention(backups, Retention(last=1), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC")
    assert reasons(decision) == {
        "2026-11-23T13:00Z": (
            "locked until 2027-01-01T00:00:00Z",
            "its time 2026-11-23T13:00:00Z is in the future: a clock is wrong",
            FOREIGN,
        ),
        "2026-11-23T12:00:01Z": ("its time 2026-11-23T12:00:01Z is in the future: a clock is wrong",),
        "2026-11-23T11:30Z": (FOREIGN,),
        "2026-11-23T11:00Z": (NEWEST, "one of the last 1"),
        "2026-11-23T10:00Z": ("locked until 2026-11-23T12:00:01Z",),
        "2026-11-23T09:00Z": ("no rule keeps it: newer backups fill last 1",),
    }


def test_the_oldest_says_which_rules_are_not_full() -> None:
    """As restic keeps it; a rule of 0 is none."""
    backups = [at(f"2026-11-{day:02}T01:00Z") for day in (1, 2, 3)]
    decision = decide_retention(
        backups, Retention(daily=1, monthly=2, yearly=1), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC"
    )
    assert reasons(decision)["2026-11-01T01:00Z"] == ("the oldest, while monthly 2 is not full",)
    assert reasons(decision)["2026-11-02T01:00Z"] == (
        "no rule keeps it: newer backups fill daily 1; a newer backup stands for month 2026-11, year 2026",
    )


def test_a_backup_stays_where_the_store_does_not_tell_its_lock() -> None:
    """It may be locked; the reason is the store's."""
    backups = [at("2026-11-23T10:00Z", lock_unknown="HeadObject: 403"), at("2026-11-23T11:00Z")]
    decision = decide_retention(backups, Retention(last=1), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC")
    assert reasons(decision)["2026-11-23T10:00Z"] == ("the store does not tell whether it is locked: HeadObject: 403",)


def test_equal_times_are_told_apart_by_id() -> None:
    """Of two backups of one second the greater id is the newer one, as `latest` means it."""
    backups = [at("2026-11-23T11:00Z", id=name) for name in ("b", "c", "a")]
    decision = decide_retention(backups, Retention(last=2), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC")
    assert kept_ids(decision) == ["c", "b"]
    assert [gone.id for gone in decision.removed] == ["a"]


def test_no_backups_no_decision() -> None:
    """An empty and complete listing keeps nothing and removes nothing."""
    decision = decide_retention([], Retention(last=1), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC")
    assert decision == RetentionDecision(kept=(), removed=())


# --- golden files


class Series(Model):
    """Backups at a steady beat, oldest first."""

    first: UtcTime
    every_hours: int
    count: int


class Recorded(Model):
    """A decision in short: names, newest first, and reasons."""

    kept: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    removed: dict[str, str] = Field(default_factory=dict)


class Golden(Model):
    """A recorded decision; `KUBE_RUNBOOKS_UPDATE_GOLDEN=1` writes `decision` anew."""

    about: str
    now: UtcTime
    time_zone: str
    rules: Retention
    series: tuple[Series, ...] = ()
    others: tuple[StoredBackup, ...] = ()
    decision: Recorded = Recorded()

    def backups(self) -> list[StoredBackup]:
        """The series and the others."""
        steady = [
            series.first + timedelta(hours=series.every_hours * number)
            for series in self.series
            for number in range(series.count)
        ]
        return [
            *(StoredBackup(id=f"{taken:%Y%m%dT%H%M%SZ}", taken_at=taken, verified=True) for taken in steady),
            *self.others,
        ]


GOLDEN = sorted((Path(__file__).parents[1] / "data" / "retention").glob("*.json"))


def test_there_are_golden_files() -> None:
    """An empty folder would let every golden test pass."""
    assert len(GOLDEN) >= 4


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden(file: Path) -> None:
    """Whole decisions, word for word, on months and years of backups."""
    golden = Golden.model_validate_json(file.read_text("utf-8"))
    decision = decide_retention(golden.backups(), golden.rules, now=golden.now, time_zone=golden.time_zone)
    recorded = Recorded(
        kept={kept.id: kept.reasons for kept in decision.kept},
        removed={removed.id: removed.reason for removed in decision.removed},
    )
    if os.environ.get("KUBE_RUNBOOKS_UPDATE_GOLDEN") == "1":
        asked = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps(asked | {"decision": recorded.model_dump()}, indent=2) + "\n", "utf-8")
    else:
        assert golden.decision.model_dump_json() == recorded.model_dump_json()


# --- bad input


def test_an_incomplete_listing_removes_nothing() -> None:
    """A store that lists in part is refused, with the next step."""
    with pytest.raises(Refused, match="the listing of backups is incomplete: nothing is removed") as refused:
        decide_retention(
            [at("2026-11-23T11:00Z")],
            Retention(last=1),
            now=moment("2026-11-23T12:00:00Z"),
            time_zone="UTC",
            complete=False,
        )
    assert refused.value.hint


def test_an_id_that_is_listed_twice_removes_nothing() -> None:
    """Two backups by one name are a listing that cannot be trusted; the names are in the error, the first few."""
    backups = [at("2026-11-23T11:00Z", id=f"id-{number // 2}") for number in range(14)]
    with pytest.raises(Refused, match="7 of the backups are listed more than once: id-0, ") as refused:
        decide_retention(backups, Retention(last=1), now=moment("2026-11-23T12:00:00Z"), time_zone="UTC")
    assert refused.value.problem.endswith("id-4")


@pytest.mark.parametrize(
    "empty",
    [
        Retention.model_construct(),
        Retention.model_construct(last=-1, yearly=-3),
        Retention.model_construct(within=timedelta(days=-1)),
    ],
)
def test_rules_that_keep_nothing_are_refused_even_past_the_model(empty: Retention) -> None:
    """Rules that were built around the model's checks remove nothing either."""
    with pytest.raises(Refused, match="the retention rules keep nothing"):
        decide_retention(
            [at("2026-11-23T11:00Z")],
            empty,
            now=moment("2026-11-23T12:00:00Z"),
            time_zone="UTC",
        )


def test_now_needs_a_zone() -> None:
    """A time without a zone could be hours off, so it decides nothing."""
    with pytest.raises(Refused, match="the time 2026-11-23T12:00:00 has no zone"):
        decide_retention([], Retention(last=1), now=moment("2026-11-23T12:00:00"), time_zone="UTC")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    """The error names the zone and the setting, whatever way the database fails to find it."""
    with pytest.raises(Refused, match="is not a time zone of the IANA database") as refused:
        decide_retention([], Retention(last=1), now=moment("2026-11-23T12:00:00Z"), time_zone=name)
    assert repr(name) in refused.value.problem
    assert "backup.time_zone" in refused.value.hint


def test_a_time_that_no_wall_clock_shows_is_refused() -> None:
    """The first hours of year 1 do not exist west of Greenwich, and the error names the backup."""
    with pytest.raises(Refused, match="backup 0001-01-01T00:00Z has an impossible time"):
        decide_retention(
            [at("0001-01-01T00:00Z")], Retention(daily=1), now=moment("2026-11-23T12:00:00Z"), time_zone="America/Lima"
        )
