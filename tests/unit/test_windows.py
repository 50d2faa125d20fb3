"""Maintenance windows: as a profile has them, and when they are open, on days with 23 and 25 hours too."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.errors import Refused
from tasks.models.cluster import ClusterProfile
from tasks.models.windows import Day, Window
from tasks.profiles import read_profile

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
            "windows[0].days[0]: 'Saturday': Input should be 'mon'",
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
        ({"margin_percent": -1}, "maintenance.margin_percent: -1: Input should be greater than or equal to 0"),
        ({"node_takes": "20"}, "maintenance.node_takes: '20': not a length of time"),
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
