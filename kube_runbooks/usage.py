"""Says what is wrong with a command line: the argument, the usage of the command, and an example that works."""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from cyclopts import CycloptsError, MissingArgumentError, Parameter
from cyclopts.exceptions import CoercionError, UnknownCommandError, UnknownOptionError, UnusedCliTokensError

from kube_runbooks.outcome import Exit, Output, give_up

EXAMPLES = {
    "cluster": "prod",
    "name": "prod",
    "version": "1.37.2",
    "node": "w1",
    "namespace": "shop",
    "workloads": "deployment/web",
    "changes": "namespace=shop,workload=deployment/web,restart=true",
    "authority": "ca",
    "reason": "INC-4711",
    "kubeconfig": "~/.kube/config",
    "backup": "20261123T120000Z-4711-0a1b2c3d-4e5f-7061-8293-a4b5c6d7e8f9",
    "verb": "get",
    "resource": "secrets",
    "user": "ada",
    "run": "0a1b2c3d-4e5f-7061-8293-a4b5c6d7e8f9",
}
"""Maps each argument that a command needs to an example. An argument with fixed choices has its first one."""

PROGRAM = "kube-runbooks"


def complain_about(error: CycloptsError, words: Sequence[str]) -> Exit:
    """Reports a command line that could not be read, and returns the exit status for it."""
    error.verbose = False
    chain = [str(word) for word in error.command_chain or ()]
    command = " ".join([PROGRAM, *chain])
    lines = [_problem(error)]
    if error.target and not isinstance(error, UnknownCommandError):
        lines += [f"Usage: {' '.join([command, *_usage(error.target)])}", f"Example: {example_of(chain, error.target)}"]
    return give_up(Exit.USAGE, "\n".join(lines), f"{command} --help", _output_in(words))


def example_of(chain: Sequence[str], function: Any) -> str:  # noqa: ANN401 - any callable
    """Returns a command line with every argument that the command needs."""
    words = []
    for one in _needed(function):
        value = _first_choice(one.annotation) or EXAMPLES.get(one.name, one.name.upper())
        words.append(value if _is_positional(one) else f"{_option(one)} {value}")
    return " ".join([PROGRAM, *chain, *words])


def _problem(error: CycloptsError) -> str:
    if isinstance(error, MissingArgumentError) and error.argument:
        name = error.argument.name.removeprefix("--")
        if error.keyword or error.argument.tokens:
            return f"{error.keyword or error.argument.name} has no value: write one behind it"
        shown = name.upper() if error.argument.field_info.is_positional else f"--{name}"
        meant = error.argument.parameter.help
        return f"{shown} is missing" + (f": {meant}" if meant else "")
    if isinstance(error, UnusedCliTokensError):
        return f"too many arguments: {' '.join(error.unused_tokens or ())}"
    if isinstance(error, CoercionError) and "unable to convert" in str(error):
        name = error.argument.name if error.argument else "an argument"
        value = f"{error.token.value!r}: " if error.token else ""
        return f"{name}: {value}write {_KINDS.get(error.target_type, 'another value')}"
    if isinstance(error, UnknownOptionError):
        return re.sub(r"^Unknown option: ", "there is no option ", str(error)).rstrip(".")
    return str(error)


_KINDS: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def _usage(function: Any) -> Iterator[str]:  # noqa: ANN401 - any callable
    needed = _needed(function)
    for one in inspect.signature(function).parameters.values():
        if one.kind is inspect.Parameter.VAR_POSITIONAL:
            yield f"[{one.name.removesuffix('s').upper()}...]"
    yield from (one.name.upper() if _is_positional(one) else f"{_option(one)} {one.name.upper()}" for one in needed)
    yield "[OPTIONS]"


def _needed(function: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - any callable
    several = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    parameters = inspect.signature(function).parameters.values()
    return [one for one in parameters if one.default is inspect.Parameter.empty and one.kind not in several]


def _is_positional(one: inspect.Parameter) -> bool:
    return one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


def _option(one: inspect.Parameter) -> str:
    """Returns the option of a parameter: the name that its annotation gives it, or its own."""
    told = get_args(one.annotation)[1:] if get_origin(one.annotation) is Annotated else ()
    named = [name for part in told if isinstance(part, Parameter) for name in part.name or ()]
    return named[0] if named else f"--{one.name.replace('_', '-')}"


def _first_choice(annotation: Any) -> str:  # noqa: ANN401 - annotations are anything
    if get_origin(annotation) is Annotated:
        return _first_choice(get_args(annotation)[0])
    return str(get_args(annotation)[0]) if get_origin(annotation) is Literal else ""


def _output_in(words: Sequence[str]) -> Output:
    """Returns the format that the command line asks for, although it could not be read."""
    text = " ".join(words)
    return "json" if re.search(r"(^| )(-o|--output)[ =]?json( |$)", text) else "text"
