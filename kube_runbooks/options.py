"""Creates the options of a command from a flow's signature: its parameters and the fields of its models.

A flow declares its input once, in its signature, its docstring and its models. Both the form in Prefect's UI and
the command are generated from them. A value is passed on as it was typed, and the flow's own validation reads it.
So a duration is `26h` here, as in a profile.
"""

import enum
import inspect
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from cyclopts import Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.core.commands import option_of
from tasks.core.words import duration_as_typed


class Option(NamedTuple):
    """Describes an option of the command line and the path of its value: `("options", "waves", "max_unavailable")`."""

    path: tuple[str, ...]
    kind: Any
    help: str
    default: Any
    required: bool

    @property
    def value(self) -> Any:  # noqa: ANN401 - a type
        """Returns the type that a terminal can supply: a flag, one of several choices, a list of words, or one word."""
        kind = _without_none(_plain(self.kind))
        if kind is bool:
            return bool
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return Literal[tuple(one.value for one in kind)]
        if get_origin(kind) is Literal:
            return Literal[tuple(one.value if isinstance(one, enum.Enum) else one for one in get_args(kind))]
        return list[str] if get_origin(kind) in {tuple, list, frozenset, set} else str

    @property
    def element(self) -> type[BaseModel] | None:
        """Returns the model of one element if the option takes several, such as the machines of `certificate-issue`.

        It is None for every other option.
        """
        kind = _without_none(_plain(self.kind))
        return _model_in(get_args(kind)[0]) if get_origin(kind) in {tuple, list} else None

    @property
    def shown_help(self) -> str:
        """Describes the option, and how to type one element that has several fields."""
        if not self.element:
            return self.help
        return f"{self.help}; each as {','.join(f'{name}=...' for name in self.element.model_fields)}"

    @property
    def shown_default(self) -> str | None:
        """Returns the default as the help shows it, or None if there is nothing to show."""
        if self.default in (None, "", (), False, inspect.Parameter.empty):
            return None
        if isinstance(self.default, timedelta):
            return duration_as_typed(self.default)
        return str(getattr(self.default, "value", self.default))


def options_of(function: Callable[..., Any], described: Mapping[str, str]) -> dict[str, Option]:
    """Returns the options by name, in the order of the signature.

    `described` holds the line of the docstring for each parameter.
    """
    found = [
        option
        for name, parameter in inspect.signature(function).parameters.items()
        for option in _of_parameter(name, parameter, described.get(name, ""))
    ]
    names = [_name(option) for option in found]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ValueError(f"two parameters have the same option: {', '.join(twice)}")
    return dict(zip(names, found, strict=True))


def names_of(options: Mapping[str, Option]) -> dict[str, str]:
    """Maps each option to its field, as in `--retention-last` to `retention.last`.

    Errors of the flow's validation name the field.
    """
    return {f"--{name.replace('_', '-')}": ".".join(option.path) for name, option in options.items()}


def signature_of(options: Mapping[str, Option]) -> inspect.Signature:
    """Returns the signature for cyclopts.

    Required options with one value are accepted by position or by name, all others by name only.
    """
    found = [_parameter(name, option) for name, option in options.items()]
    return inspect.Signature(sorted(found, key=lambda one: one.kind))


def arguments_of(options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of the flow, with each given value at the path of its option."""
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        *folders, leaf = options[name].path
        place = arguments
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = [_as_element(word) for word in value] if options[name].element else value
    return arguments


def _as_element(word: str) -> object:
    """Reads an element such as `name=cp1,address=192.0.2.11`.

    Anything else is returned unchanged, and the flow's own validation reports what is wrong.
    """
    pairs = [part.partition("=") for part in word.split(",")]
    return {key: value for key, _, value in pairs} if all(sign for _, sign, _ in pairs) else word


def _of_parameter(name: str, parameter: inspect.Parameter, described: str) -> Iterator[Option]:
    empty = inspect.Parameter.empty
    model = _model_in(parameter.annotation)
    if model is None:
        default = None if parameter.default is empty else parameter.default
        yield Option((name,), parameter.annotation, described, default, required=parameter.default is empty)
        return
    yield from _of_model(model, (name,), None if parameter.default is empty else parameter.default)


def _of_model(model: type[BaseModel], path: tuple[str, ...], values: object) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        value = getattr(values, name, _default_of(field))
        inner = _model_in(field.annotation)
        if inner is None:
            yield Option((*path, name), field.annotation, field.description or "", value, required=False)
        else:
            yield from _of_model(inner, (*path, name), value)


def _default_of(field: FieldInfo) -> object:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _name(option: Option) -> str:
    return option_of(option.path).removeprefix("--").replace("-", "_")


def _parameter(name: str, option: Option) -> inspect.Parameter:
    default = option.shown_default
    spec = Parameter(
        help=option.shown_help,
        negative="" if option.value is not bool else None,
        show_default=(lambda _: default) if default else False,
        consume_multiple=False,
    )
    by_position = option.required and option.value != list[str]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if by_position else inspect.Parameter.KEYWORD_ONLY
    if option.required:
        return inspect.Parameter(name, kind, annotation=Annotated[option.value, spec])
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[option.value | None, spec])


def _model_in(annotation: object) -> type[BaseModel] | None:
    kind = _without_none(_plain(annotation))
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _plain(annotation: object) -> object:
    return _plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _without_none(kind: object) -> object:
    if get_origin(kind) in {Union, types.UnionType}:
        left = [one for one in get_args(kind) if one is not types.NoneType]
        return _without_none(_plain(left[0])) if len(left) == 1 else kind
    return kind
