"""What a site's gates say, and which are no gates."""

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.core.errors import NotYet
from tasks.core.models.profile import SiteGate
from tasks.gates.policy import what_condition_says, what_values_say

PATH = "/apis/apps/v1/namespaces/x/deployments/y"


def with_condition(**condition: str) -> dict[str, Any]:
    """An object that has it."""
    return {"status": {"conditions": [{"type": "Progressing", "status": "False"}, {"type": "Available"} | condition]}}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (with_condition(status="True"), ""),
        (with_condition(status="False", message="no pods"), f"{PATH} is not Available: no pods"),
        ({"status": {}}, f"{PATH} has no condition Available"),
        ({"status": None}, f"{PATH} has no condition Available"),
        ({"status": {"conditions": None}}, f"{PATH} has no condition Available"),
        (None, f"there is no {PATH}"),
    ],
)
def test_a_condition_has_to_be_true(found: dict[str, Any] | None, told: str) -> None:
    """What is not known is not good."""
    assert str(what_condition_says(found, PATH, "Available") or "") == told


def test_an_object_of_another_form_is_a_sentence() -> None:
    """With its path and the field."""
    with pytest.raises(NotYet, match=f"{PATH} could not be parsed: status: "):
        what_condition_says({"status": "fine"}, PATH, "Available")


NOTHING = "its query gives no value: end it with `or vector(0)` where nothing means that all is well"


@pytest.mark.parametrize(
    ("values", "at_most", "at_least", "told"),
    [
        ({}, 1, None, NOTHING),
        ({}, None, 1, NOTHING),
        ({"": 1.0}, 1, 1, ""),
        ({"pod=a": 2.0, "pod=b": 0.5}, 1, None, "2 (pod=a): it has to be at most 1"),
        ({"": 0.5}, 2, 1, "0.5: it has to be at most 2 and at least 1"),
        ({"": float("nan")}, None, 0, "nan: it has to be at least 0"),
    ],
)
def test_every_value_has_to_be_within_its_bounds(
    values: dict[str, float], at_most: float | None, at_least: float | None, told: str
) -> None:
    """None at all is no answer: the metric may be gone with its exporter."""
    assert str(what_values_say(values, at_most=at_most, at_least=at_least) or "") == told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "gate 'g': give one of command, object and query"),
        ({"command": "true", "on": "cp1", "object": "/api/v1/x"}, "give one of command, object and query"),
        ({"command": "true"}, "a command needs `on`"),
        ({"query": "up", "url": "http://h:9090"}, "a query needs `url`, and at_most or at_least"),
        ({"query": "up", "at_most": 1}, "a query needs `url`, and at_most or at_least"),
    ],
)
def test_half_a_gate_is_none(fields: dict[str, Any], told: str) -> None:
    """Told with its name, before anything is asked."""
    with pytest.raises(ValidationError, match=told.replace("(", "\\(")):
        SiteGate(name="g", **fields)
