"""Maintenance windows: as a profile has them, and when they are open, on days with 23 and 25 hours too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Refused
from tasks.core.models.profile import ClusterProfile
from tasks.core.models.windows import Day, Opening, Window
from tasks.core.profiles import read_profile
from tasks.os_patch.policy.windows import (
    ends_of_run,
    fit_into,
    next_opening,
    open_now,
    openings,
    why_too_late,
    with_margin,
)

PROFILE = """
name: prod
nodes: [{name: cp1, address: 192.0.2.1}, {name: w1, address: 192.0.2.2}]
ssh: {user: ops, key: file:/keys/id, known_hosts: /keys/known_hosts}
store: {bucket: backups}
maintenance:
  windows:
    - {days: [sat, sun], from: 22:00, to: "04:00", time_zone: Europe/Berlin, max_duration: 4h}
    - {from: "00:30", to: "01:30"}
  margin_percent: 20
  alerts: {url: "http://prometheus:9090"}
  protect: [nvidia-driver]
  console: {command: 'ipmitool -f /root/pw -H "$NODE-bmc" sel list', node: cp1}
"""


def read(folder: Path, **maintenance: object) -> ClusterProfile:
    """The profile, with fields of `maintenance` replaced."""
    raw = yaml.safe_load(PROFILE)
    raw["maintenance"] |= maintenance
    (folder / "prod.yaml").write_text(yaml.safe_dump(raw))
    return read_profile(folder, "prod")


def window(begins: str, ends: str, zone: str = "UTC", **more: Any) -> Window:  # noqa: ANN401 - any field
    """As a profile writes it."""
    return Window.model_validate({"from": begins, "to": ends, "time_zone": zone} | more)


# --- in the profile


def test_a_profile_has_windows_as_people_write_them(tmp_path: Path) -> None:
    """YAML reads 22:00 without quotes as 1320, which is meant as 22:00 all the same."""
    maintenance = read(tmp_path).maintenance
    nights, early = maintenance.windows
    assert yaml.safe_load("from: 22:00") == {"from": 1320}
    assert (nights.days, f"{nights.begins:%H:%M}", f"{nights.ends:%H:%M}") == ((Day.SAT, Day.SUN), "22:00", "04:00")
    assert nights.in_words == "sat, sun 22:00 to 04:00 Europe/Berlin"
    assert early.in_words == "each day 00:30 to 01:30 UTC"
    assert str(nights.max_duration) == "4:00:00"
    assert (maintenance.margin_percent, maintenance.protect) == (20, ("nvidia-driver",))
    assert hash(read(tmp_path)) == hash(read(tmp_path))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"windows": [{"from": "25:00", "to": "04:00"}]},
            "maintenance.windows[0].from: '25:00': not a time of day; write",
        ),
        ({"windows": [{"from": "22:00:10", "to": "04:00"}]}, "windows[0].from: '22:00:10': not a time of day"),
        ({"windows": [{"from": 1440, "to": "04:00"}]}, "windows[0].from: 1440: not a time of day"),
        ({"windows": [{"to": "04:00"}]}, "maintenance.windows[0].from: is missing"),
        (
            {"windows": [{"from": "01:00", "to": "04:00", "frm": 1}]},
            "maintenance.windows[0].frm: unknown field; did you mean from?",
        ),
        (
            {"windows": [{"from": "01:00", "to": "04:00", "days": ["Saturday"]}]},
            "windows[0].days[0]: 'Saturday': write one of mon, tue",
        ),
        ({"windows": [{"from": "01:00", "to": "04:00", "days": []}]}, "windows[0].days: "),
        (
            {"windows": [{"from": "01:00", "to": "04:00", "days": ["mon", "mon"]}]},
            "days: mon is there twice; name each day once",
        ),
        (
            {"windows": [{"from": "01:00", "to": "04:00", "time_zone": "CEST"}]},
            "windows[0].time_zone: 'CEST': not a time zone",
        ),
        (
            {"windows": [{"from": "01:00", "to": "04:00", "max_duration": "25h"}]},
            "windows[0].max_duration: '25h': ",
        ),
        ({"windows": [{"from": "01:00", "to": "04:00", "max_duration": "0s"}]}, "windows[0].max_duration: '0s': "),
        ({"margin_percent": -1}, "maintenance.margin_percent: -1: write 0 or more"),
        ({"expected_duration": "20"}, "maintenance.expected_duration: '20': not a length of time"),
        (
            {"console": {"command": "x", "node": "w9"}},
            "maintenance.console: it runs on 'w9', which is not one of `nodes` (cp1, w1)",
        ),
        ({"protect": ["a b"]}, "maintenance.protect[0]: 'a b'"),
        ({"alerts": {"url": "prometheus"}}, "maintenance.alerts.url: 'prometheus'"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    """By the names that the profile has, `from` and `to` among them."""
    with pytest.raises(Refused) as refused:
        read(tmp_path, **changes)
    assert told in str(refused.value)


# --- when they are open


BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(one: Opening | None) -> tuple[str, str]:
    """In UTC, as a report has them."""
    assert one is not None
    return f"{one.opens:%m-%d %H:%M}", f"{one.closes:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-11-21T20:59:59", False),  # a Saturday, 21:59:59 in Berlin
        ("2026-11-21T21:00:00", True),
        ("2026-11-22T02:59:59", True),  # Sunday 03:59:59, of the window that opened on Saturday
        ("2026-11-22T03:00:00", False),
        ("2026-11-23T02:00:00", True),  # Monday 03:00, opened on Sunday
        ("2026-11-23T21:30:00", False),  # Monday evening is no day of it
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_opens_on(now: str, is_open: bool) -> None:  # noqa: FBT001 - a table
    """Closed at the very minute of its end."""
    nights = window("22:00", "04:00", BERLIN, days=["sat", "sun"])
    found = open_now([nights], at(now))
    assert (found is not None) == is_open
    if found:
        assert found.closes - found.opens == timedelta(hours=6)


def test_the_next_opening_is_told_with_its_end() -> None:
    """Of several windows the first; one that is open now is not the next one, its own next day may be."""
    nights = window("22:00", "04:00", BERLIN, days=["sat", "sun"])
    noon = window("11:00", "12:00")
    assert hours(next_opening([nights], at("2026-11-23T12:00:00"))) == ("11-28 21:00", "11-29 03:00")
    assert hours(next_opening([nights, noon], at("2026-11-23T12:00:00"))) == ("11-24 11:00", "11-24 12:00")
    assert hours(next_opening([noon], at("2026-11-24T11:30:00"))) == ("11-25 11:00", "11-25 12:00")
    assert next_opening([], at("2026-11-24T11:30:00")) is None
    assert open_now([], at("2026-11-24T11:30:00")) is None
    whole = window("00:00", "00:00", days=["tue"])
    assert hours(open_now([whole], at("2026-11-24T23:59:00"))) == ("11-24 00:00", "11-25 00:00")


@pytest.mark.parametrize(
    ("begins", "ends", "opening", "real"),
    [
        ("22:00", "04:00", ("03-28 21:00", "03-29 02:00"), 300),  # one hour less than clocks show
        ("01:30", "02:30", ("03-29 00:30", "03-29 01:00"), 30),  # 02:30 is skipped: closed by the jump
        ("02:30", "03:30", ("03-29 01:00", "03-29 01:30"), 30),  # opens with the jump, at 03:00
        ("03:00", "04:00", ("03-29 01:00", "03-29 02:00"), 60),
    ],
)
def test_a_night_that_lacks_an_hour(begins: str, ends: str, opening: tuple[str, str], real: int) -> None:
    """Berlin, 29 March 2026: clocks go from 02:00 to 03:00."""
    one = window(begins, ends, BERLIN, days=["sat", "sun"])
    found = next(each for each in openings(one, at("2026-03-28T12:00:00")) if hours(each) == opening)
    assert found.closes - found.opens == timedelta(minutes=real)


@pytest.mark.parametrize(
    ("begins", "ends", "opening", "real"),
    [
        ("22:00", "04:00", ("10-24 20:00", "10-25 03:00"), 420),  # one hour more
        ("02:15", "02:45", ("10-25 00:15", "10-25 00:45"), 30),  # the first time that clocks show it
        ("02:30", "03:30", ("10-25 00:30", "10-25 02:30"), 120),
    ],
)
def test_a_night_with_an_hour_twice(begins: str, ends: str, opening: tuple[str, str], real: int) -> None:
    """Berlin, 25 October 2026: clocks go from 03:00 back to 02:00."""
    one = window(begins, ends, BERLIN, days=["sat", "sun"])
    found = next(each for each in openings(one, at("2026-10-24T12:00:00")) if hours(each) == opening)
    assert found.closes - found.opens == timedelta(minutes=real)


def test_a_window_that_clocks_skip_wholly_does_not_open() -> None:
    """On that one day."""
    skipped = window("02:10", "02:50", BERLIN, days=["sun"])
    assert hours(next_opening([skipped], at("2026-03-28T12:00:00"))) == ("04-05 00:10", "04-05 00:50")


zones = st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
minutes = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware


@settings(deadline=None, max_examples=200)
@given(minutes, minutes, zones, moments)
def test_an_open_window_has_an_end_ahead_and_is_never_much_longer_than_written(
    begins: str, ends: str, zone: str, now: datetime
) -> None:
    """Whatever clocks do that night; the next opening is ahead and closed now."""
    one = window(begins, ends, zone)
    written = (one.ends.hour * 60 + one.ends.minute - one.begins.hour * 60 - one.begins.minute - 1) % 1440 + 1
    for each in openings(one, now):
        assert now < each.closes
        assert timedelta() < each.closes - each.opens <= timedelta(minutes=written + 60)
    found, following = open_now([one], now), next_opening([one], now)
    assert found is None or found.opens <= now < found.closes
    assert following is not None
    assert following.opens > now


def test_a_run_ends_by_its_longest_duration_or_with_the_window() -> None:
    """Whichever is first; of several open windows the one that leaves the most time counts."""
    now = at("2026-11-24T01:00:00")
    short, long = window("00:00", "06:00", max_duration="90m"), window("00:30", "03:30")
    assert [ends_of_run(open_now([one], now), now) for one in (short, long)] == [  # type: ignore[arg-type]
        at("2026-11-24T02:30:00"),
        at("2026-11-24T03:30:00"),
    ]
    assert hours(open_now([short, long], now)) == ("11-24 00:30", "11-24 03:30")
    late = at("2026-11-24T03:00:00")
    assert hours(open_now([short, long], late)) == ("11-24 00:00", "11-24 06:00")


# --- what fits


def need(**minutes_of: int) -> list[tuple[str, timedelta]]:
    """Names with minutes."""
    return [(name, timedelta(minutes=minute)) for name, minute in minutes_of.items()]


@pytest.mark.parametrize(
    ("left", "fit", "waits"),
    [
        (200, "cp1 cp2 w1 w2 w3", {}),
        (60, "cp1 cp2 w1 w2 w3", {}),  # 15 + 15 + 30: to the minute
        (59, "cp1 cp2 w1 w3", {"w2": 29}),
        (30, "cp1 cp2", {"w1": 0, "w2": 0, "w3": 0}),
        (40, "cp1 cp2 w1 w3", {"w2": 10}),
        (14, "w1 w3", {"cp1": 14, "cp2": 14, "w2": 14}),  # what is shorter may still be done
        (0, "", {"cp1": 0, "cp2": 0, "w1": 0, "w2": 0, "w3": 0}),
    ],
)
def test_what_is_over_in_time_and_what_waits(left: int, fit: str, waits: dict[str, int]) -> None:
    """Control planes one after the other, the workers of a wave at once: the longest of them counts."""
    groups = [need(cp1=15), need(cp2=15), need(w1=10, w2=30, w3=5)]
    now = at("2026-11-24T01:00:00")
    done, others = fit_into(groups, now, now + timedelta(minutes=left))
    assert done == frozenset(fit.split())
    assert others == {name: timedelta(minutes=minute) for name, minute in waits.items()}
    assert fit_into(groups, now, None) == (frozenset(("cp1", "cp2", "w1", "w2", "w3")), {})


@pytest.mark.parametrize(("seconds", "percent", "needs"), [(100, 50, 150), (101, 50, 152), (60, 0, 60), (1, 1, 2)])
def test_a_margin_is_rounded_up(seconds: int, percent: int, needs: int) -> None:
    """Whole seconds."""
    assert with_margin(timedelta(seconds=seconds), percent) == timedelta(seconds=needs)


def test_what_would_not_end_in_time_is_told_with_the_minutes() -> None:
    """Without a window, and to the second, it is in time."""
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert why_too_late(hour, None, now=now) is None
    assert why_too_late(hour, now + hour, now=now) is None
    late = why_too_late(hour, now + timedelta(minutes=40), now=now)
    assert str(late) == "it would end 20 min after 12:40 UTC, when the window closes"
