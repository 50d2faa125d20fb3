"""Says in plain words what is wrong with a field of a profile, or with a parameter of a runbook.

Pydantic reports each problem with a type and its numbers. Its own sentences are for programmers.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tasks.core.words import duration_as_typed

LONGEST = 80
"""Limits the characters of a value that an error repeats."""


class WrongField(NamedTuple):
    """Holds a wrong field: its path, its value, and what to write instead."""

    field: str
    value: str
    """The value as it was written. It is empty if there is none, if it may hold a secret, or if it is too long to help."""
    fix: str

    @property
    def in_words(self) -> str:
        """Returns one line: `store.bucket: 'UPPER': write ...`."""
        return ": ".join(part for part in self if part)


def wrong_fields(error: ValidationError, model: type[BaseModel] | None = None) -> tuple[WrongField, ...]:
    """Returns each wrong field once, in the order of the fields.

    `model` is what was validated. Its descriptions and its fields' names become a part of the sentence.
    """
    return tuple(_told(problem, model) for problem in _first_hand(error.errors(include_url=False)))


def places_of(error: ValidationError) -> str:
    """Returns the wrong fields of a stored file, which nobody typed: without their values, or that it is no JSON."""
    return ", ".join(".".join(map(str, wrong["loc"])) or "not JSON" for wrong in error.errors())


def _first_hand(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Returns the problems without "too short", which pydantic adds for a list if one of its items is wrong."""
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(place[:-1][: len(problem["loc"])] == problem["loc"] for place in places if place != problem["loc"])
    ]


def _told(problem: ErrorDetails, model: type[BaseModel] | None) -> WrongField:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).removeprefix(".")
    if problem["type"] == "extra_forbidden":
        return WrongField(field, "", f"unknown field; {_similar(problem, model)}")
    described = _described(problem, model)
    if problem["type"] == "missing":
        return WrongField(field, "", f"is missing; add it: {described}" if described else "is missing; add it")
    if problem["input"] is None:
        return WrongField(
            field,
            "",
            f"has no value; fill in: {described}" if described else "has no value; write one, or remove the line",
        )
    return WrongField(field, _shown(problem), _how_to_write(problem, described))


def _how_to_write(problem: ErrorDetails, described: str) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        return problem["msg"].partition(" error, ")[2] or problem["msg"]
    if kind == "string_pattern_mismatch":
        return _FORMS.get(str(context["pattern"])) or f"write it in the form of {context['pattern']}"
    if say := _WORDS.get(kind):
        return say(context)
    return f"write {described}" if described else "write a valid value"


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda _: 'write text, in quotes if it looks like a number: "42"',
    "string_too_short": lambda told: f"write at least {told['min_length']} characters",
    "string_too_long": lambda told: f"write at most {told['max_length']} characters",
    "int_type": lambda _: "write a whole number",
    "int_parsing": lambda _: "write a whole number",
    "int_from_float": lambda _: "write a whole number",
    "float_type": lambda _: "write a number",
    "float_parsing": lambda _: "write a number",
    "finite_number": lambda _: "write a number",
    "bool_type": lambda _: "write true or false",
    "bool_parsing": lambda _: "write true or false",
    "time_delta_type": lambda _: "write a length of time, for example 26h",
    "time_delta_parsing": lambda _: "write a length of time, for example 26h",
    "path_type": lambda _: "write a path",
    "tuple_type": lambda _: "write a list, for example [a, b]",
    "list_type": lambda _: "write a list, for example [a, b]",
    "dict_type": lambda _: "write fields with their values below it, as name: value",
    "model_type": lambda _: "write fields with their values below it, as name: value",
    "model_attributes_type": lambda _: "write fields with their values below it, as name: value",
    "invalid_key": lambda _: "write the name of a field in front of the colon",
    "too_short": lambda told: f"write at least {told['min_length']} of them",
    "too_long": lambda told: f"write at most {told['max_length']} of them",
    "literal_error": lambda told: f"write one of {_choices(told)}",
    "enum": lambda told: f"write one of {_choices(told)}",
    "greater_than": lambda told: f"write more than {told['gt']}",
    "greater_than_equal": lambda told: f"write {told['ge']} or more",
    "less_than": lambda told: f"write less than {told['lt']}",
    "less_than_equal": lambda told: f"write {told['le']} or less",
}
"""Maps each type of problem to what to write instead. The argument has the numbers of the problem."""

_LABEL = "write lower-case letters, digits and -, at most 63 characters; the first and the last are no -"
_WEB = "write http:// or https://, a host, and perhaps a port and a path: http://prometheus.example.org:9090"
_FORMS = {
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": _LABEL,
    r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$": "write the name of a node as the API has it: lower-case letters, digits, - and .",
    r"^[a-z0-9*?.-]{1,253}$": "write a kind as kubectl names it, perhaps with * and ?: deployments.apps, *.example.com",
    r"^[A-Za-z0-9!=,_./() -]+$": "write a label selector, for example app=db,tier!=cache",
    r"^[^\x00-\x1f\x7f]+$": "write one word of a command in each item, without line ends",
    r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$": "write at most 40 lower-case letters, digits and -; the first and the last are a letter or a digit",
    r"^([0-9]+([KMGTPE]i?|k)?)?$": "write a size with its unit, for example 20Gi",
    r"^[a-z0-9-]+=[a-z0-9-]+$": "write two namespaces with = between them, the one in the backup first: shop=shop-copy",
    r"^[a-z0-9*?-]{1,63}$": "write a namespace, perhaps with * and ?: test-*",
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "write the name of a runbook, for example etcd-backup",
    r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$": "write 3 to 63 lower-case letters, digits, - and .; the first and the last are a letter or a digit",
    r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?$": "write folders with / between them, none at the start or at the end: backups/prod",
    r"^https?://[^/@\s]+$": "write http:// or https://, a host and perhaps a port, and nothing behind them: https://s3.example.org:9000",
    r"^https?://[^/@\s]+(/\S*)?$": _WEB,
    r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?)$": "write a host name or an IP address, without a port",
    r"^[a-zA-Z0-9][a-zA-Z0-9.+_-]*$": "write the name of a package",
    r"^[A-Za-z0-9-]+$": "write the name of a check of kubeadm, for example SystemVerification",
    r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$": "write letters, digits, spaces, dots, - and _, at most 63 characters",
    r"^$|^/apis?/\S+$": "write a path that begins with /api/ or /apis/: /apis/apps/v1/namespaces/x/deployments/y",
    r"^$|^https?://[^/@\s]+(/\S*)?$": _WEB,
    r"^[a-z0-9.-]*$": "write the name of an object: lower-case letters, digits, - and .",
    r"^[^\r\n]+$": "write one line",
    r"^[^\r\n]*$": "write one line",
    r"^\S+$": "write it without spaces",
    r"^$|^[A-Za-z0-9][A-Za-z0-9._/#:-]*$": "write letters, digits and . _ / # : - without a space: INC-4711",
    r"^[1-9]\d{0,3}$|^([1-9]\d?|100)%$": "write a number from 1 to 9999, or a percentage from 1% to 100%",
    r"^$|^default$|^[0-9]+\.[0-9]+\.[0-9]+-[0-9]+$": "write default, or the tag of an image of etcd: 3.6.8-0",
}
"""Maps each pattern of a field to what it means. A test requires an entry for every pattern of the profile and of the flows."""


def _choices(told: Mapping[str, Any]) -> str:
    return ", ".join(re.findall(r"'([^']*)'", str(told["expected"])))


def _shown(problem: ErrorDetails) -> str:
    """Returns the value, unless it is or may hold a secret, or is too long to help."""
    value = problem["input"]
    field = next((part for part in reversed(problem["loc"]) if isinstance(part, str)), "")
    may_be_secret = "secret" in problem["msg"] or re.search("key|secret|token|password|recipients", field)
    if may_be_secret or isinstance(value, dict | list | BaseModel):
        return ""
    if isinstance(value, timedelta):
        return duration_as_typed(value)
    shown = f"{value!r}" if isinstance(value, str) else str(value)
    return shown if len(shown) <= LONGEST else ""


def _described(problem: ErrorDetails, model: type[BaseModel] | None) -> str:
    """Returns what the model says about a field, without its default."""
    for part in problem["loc"][:-1]:
        model = _inside(model, part)
    field = next((one for name, one in _fields(model).items() if problem["loc"] and name == problem["loc"][-1]), None)
    return (field.description or "").partition("; default:")[0] if field else ""


def _similar(problem: ErrorDetails, model: type[BaseModel] | None) -> str:
    """Returns `did you mean …?` from the fields that the model has at this place.

    If no field is similar, it lists all of them. It never shows the value, which may be a secret.
    """
    for part in problem["loc"][:-1]:
        model = _inside(model, part)
    names = list(_fields(model))
    close = difflib.get_close_matches(str(problem["loc"][-1]), names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known are {', '.join(names)}" if names else "remove it"


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}


def _inside(model: type[BaseModel] | None, part: int | str) -> type[BaseModel] | None:
    """Returns the model behind a field. An index, or a key that people choose, leads no deeper."""
    field = _fields(model).get(str(part))
    return _model_behind(field.annotation) if field else model


def _model_behind(annotation: Any) -> Any:  # noqa: ANN401 - annotations are anything
    """Returns the model in an annotation, or None if it has none.

    It finds the model in `Model`, `Model | None`, `tuple[Model, ...]` or `dict[str, tuple[Model, ...]]`.
    """
    if hasattr(annotation, "model_fields"):
        return annotation
    found = (_model_behind(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in found if model), None)
