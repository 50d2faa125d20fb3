"""Builds the commands that plans, reports and errors name: how an operator runs a runbook in a terminal.

A rule is a pure function and knows neither the cluster's name nor the parameters of its run. So it writes `CLUSTER` and
`AGAIN`, and `filled` writes what they stand for when the run shows the text.
"""

import enum
import inspect
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from tasks.core.words import duration_as_typed

_SUFFIXES = ("_to_s3", "_from_s3")
"""Lists the suffixes of a flow's name that its command omits: `etcd_backup_to_s3` is `etcd-backup`."""

OPTIONS = "options"
"""Names the parameter whose fields become options without a prefix."""

CLUSTER = "CLUSTER"
"""Stands for the name of the run's cluster."""

AGAIN = "kube-runbooks AGAIN"
"""Stands for the command of the run itself, without `--mode` and `--confirm`."""

TO_DO_IT = f"to do it: {AGAIN} --mode=apply; a run of a deployment can ask first, with --mode=approve"
"""Ends the summary of a plan that was only asked for."""

LOG_OF_ETCD = (
    "check the log of etcd on its node: `crictl ps -a --name etcd`, then `crictl logs ID`; or `journalctl -u etcd`"
)
"""Tells where a member says what it lacks. The name of the member is in the problem."""

LOG_OF_API_SERVER = "check its log there: `crictl ps -a --name kube-apiserver`, then `crictl logs ID`"
"""Tells where an API server says what it lacks. The name of its node is in the problem."""

ASKED_FOR = ("mode", "confirm")
"""Lists the parameters that `AGAIN` leaves out, because the text that has it says them."""

_LISTS = (list, tuple, set, frozenset)

_OF_CLUSTER = re.compile(rf"(kube-runbooks (?:run |start )?[a-z-]+) {CLUSTER}\b")
_CONFIRMED = re.compile(rf"--confirm={CLUSTER}\b")


def command_of(flow: str) -> str:
    """Returns the name of a runbook in a terminal, for example `etcd-backup`."""
    for suffix in _SUFFIXES:
        flow = flow.removesuffix(suffix)
    return flow.replace("_", "-")


def run_command(flow: str, *words: str) -> str:
    """Returns the command that runs a runbook; `words` follow its name: the cluster, then options."""
    return " ".join(("kube-runbooks run", command_of(flow), *words))


def option_of(path: Sequence[str]) -> str:
    """Returns the option of a parameter: `--max-unavailable` of `options.waves.max_unavailable`.

    Only fields of `options` have no prefix: `retention.last` is `--retention-last`.
    """
    words = path[-1:] if path[0] == OPTIONS else path
    return f"--{'-'.join(words).replace('_', '-')}"


def same_command(
    flow: Callable[..., object],
    parameters: Mapping[str, Any],
    *,
    verb: str = "run",
    without: Collection[str] = ASKED_FOR,
) -> str:
    """Returns the command of a run with the same parameters, except those that are a default anyway.

    Args:
        flow: the function of the flow, whose name is the runbook's
        parameters: the parameters of the run, as the flow works with them
        verb: run, or start for a run of a deployment
        without: parameters that the command does not get
    """
    words: list[str] = []
    by_place = True  # until the first list: the words after it would be taken for items of it
    for name, parameter in inspect.signature(flow).parameters.items():
        is_required, value = parameter.default is inspect.Parameter.empty, parameters.get(name)
        by_place = by_place and not (is_required and isinstance(value, _LISTS))
        if is_required and by_place and name in parameters and not isinstance(value, BaseModel):
            words.append(shlex.quote(_text(value)))
        elif name not in without:
            words += _words((name,), value, None if is_required else parameter.default)
    return " ".join(("kube-runbooks", verb, command_of(flow.__name__), *words))


def filled(text: str, cluster: str, again: str = "") -> str:
    """Returns the text with the cluster's name, and with the command of the run itself, in each command that it names."""
    named = _OF_CLUSTER.sub(rf"\1 {cluster}", text)
    named = _CONFIRMED.sub(f"--confirm={cluster}", named)
    return named.replace(AGAIN, again) if again else named


def _words(path: tuple[str, ...], value: object, default: object) -> Iterator[str]:
    option = option_of(path)
    if value is None or value == default:
        return
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            usual = field.get_default(call_default_factory=True) if not field.is_required() else None
            yield from _words((*path, name), getattr(value, name), getattr(default, name, usual))
    elif isinstance(value, bool):
        yield option if value else option.replace("--", "--no-", 1)
    elif isinstance(value, _LISTS):
        yield from (f"{option}={shlex.quote(_text(one))}" for one in value)
    else:
        yield f"{option}={shlex.quote(_text(value))}"


def _text(value: object) -> str:
    if isinstance(value, BaseModel):
        fields = ((getattr(value, name), name, field) for name, field in type(value).model_fields.items())
        return ",".join(
            f"{name}={_text(one)}" for one, name, field in fields if field.is_required() or one != field.default
        )
    if isinstance(value, Mapping):
        return ";".join(f"{name}-" if one is None else f"{name}={_text(one)}" for name, one in value.items())
    if isinstance(value, enum.Enum):
        return str(value.value)
    return duration_as_typed(value) if isinstance(value, timedelta) else str(value)
