"""What is wrong with a field is said in plain words, whatever the field is and whatever was written."""

import importlib
import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tasks.core.models.profile import ClusterProfile
from tasks.core.words import duration_as_typed
from tasks.core.wrong_fields import _FORMS, WrongField, wrong_fields

FLOWS = Path(__file__).parents[3] / "flows"
PYDANTICS = re.compile(r"Input should|should (match|have)|valid (string|integer|tuple|dictionary|number)|instance of")
WRONG: tuple[object, ...] = (
    None,
    "",
    "?? ??",
    "-1",
    -1,
    10**9,
    1.5,
    True,
    [],
    [None],
    ["??"],
    {},
    {"nosuch": 1},
    {1: 2},
)


def _wrong(model: type[BaseModel], value: object) -> tuple[WrongField, ...]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return wrong_fields(error, model)
    return ()


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - annotations are anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


@pytest.mark.parametrize("model", sorted(set(_models(ClusterProfile)), key=str))
def test_no_field_of_a_profile_is_refused_in_the_words_of_a_library(model: type[BaseModel]) -> None:
    """Each field with each kind of wrong value: what is said names the field and what to write."""
    for name, field in model.model_fields.items():
        for value in WRONG:
            for told in _wrong(model, {field.alias or name: value}):
                assert not PYDANTICS.search(told.in_words), told
                assert told.fix, told
                assert "write a valid value" not in told.fix, told


def _patterns(schema: object, seen: set[int]) -> Iterator[str]:
    if id(schema) in seen:
        return
    seen.add(id(schema))
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for part in schema.values():
            yield from _patterns(part, seen)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _patterns(part, seen)


def test_each_pattern_has_its_meaning() -> None:
    """Nobody has to read a regular expression: of the profile, and of the parameters of the flows."""
    seen: set[int] = set()
    found = set(_patterns(ClusterProfile.__pydantic_core_schema__, seen))
    for file in FLOWS.glob("[a-z]*.py"):
        flow = getattr(importlib.import_module(f"flows.{file.stem}"), file.stem).fn
        for parameter in inspect.signature(flow).parameters.values():
            found |= set(_patterns(TypeAdapter(parameter.annotation).core_schema, seen))
    assert found - _FORMS.keys() == set()
    assert len(found) > 10


def test_a_field_that_is_not_filled_in_says_what_belongs_there() -> None:
    """As `kube-runbooks init` leaves it."""
    blank = {
        "name": "prod",
        "nodes": [{"name": "w1", "address": None}],
        "ssh": {"user": None, "key": None},
        "store": {"bucket": None},
    }
    assert [one.in_words for one in _wrong(ClusterProfile, blank)] == [
        "nodes[0].address: has no value; fill in: host name or IP address for SSH, as the worker or the gateway resolves it",
        "ssh.user: has no value; fill in: user who logs in on every node, with sudo or as root",
        "ssh.key: has no value; fill in: private key, for example file:/etc/kube-runbooks/id_ed25519",
        "ssh.known_hosts: is missing; add it: absolute path of an OpenSSH known_hosts file; unknown hosts are refused",
        "store.bucket: has no value; fill in: name of the bucket for backups and reports",
    ]


def test_without_a_model_there_is_no_description() -> None:
    """And an unknown problem still says that something has to be written."""

    class Odd(BaseModel):
        when: complex
        who: str

    with pytest.raises(ValidationError) as error:
        Odd.model_validate({"when": "x"})
    assert [one.in_words for one in wrong_fields(error.value)] == [
        "when: 'x': write a valid value",
        "who: is missing; add it",
    ]
    assert [one.in_words for one in _wrong(ClusterProfile, 3)] == [
        "3: write fields with their values below it, as name: value"
    ]


@pytest.mark.parametrize(
    ("length", "text"), [(timedelta(hours=26), "26h"), (timedelta(days=30), "30d"), (timedelta(0), "0s")]
)
def test_a_length_of_time_is_shown_as_people_type_it(length: timedelta, text: str) -> None:
    """Never `1 day, 2:00:00`."""
    assert duration_as_typed(length) == text
