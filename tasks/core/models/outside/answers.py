"""How an answer of another program is read: what is asked of it, and no more.

Go writes an empty slice, map or struct as `null`, and leaves out what is empty: all three read the same here. What does not
fit is a sentence that names the object and the field, never an exception of Python.
"""

from collections.abc import Mapping
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tasks.core.errors import NotYet

SHOWN = 3
"""Fields that a sentence names."""


class Outside(BaseModel):
    """An answer of another program; fields that nobody here asks for are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, value: object) -> object:
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, Mapping) else value

    @classmethod
    def read(cls, told: object, what: str) -> Self:
        """Parses it; `NotYet` with what it is and which of its fields are not understood."""
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc'])) or 'all of it'}: {one['msg']}" for one in error.errors()]
            more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            raise NotYet(
                f"{what} is not understood: {'; '.join(wrong[:SHOWN])}{more}",
                hint="check what answers there: another program, a proxy, or a version that is not supported",
            ) from None


def name_of(kind: str, told: object) -> str:
    """A Kubernetes object for people, `pod kube-system/etcd-cp1`, also where it has no name."""
    metadata = told.get("metadata") if isinstance(told, Mapping) else None
    found = metadata if isinstance(metadata, Mapping) else {}
    named = "/".join(str(found[part]) for part in ("namespace", "name") if found.get(part))
    return f"{kind} {named or '(without a name)'}"


def from_yaml(text: str | bytes, what: str) -> object:
    """A document; `NotYet` with what it is where it is no YAML."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise NotYet(f"{what} is not YAML: {said}", hint="correct it with kubectl edit") from None


class InYaml(Outside):
    """What people write as YAML: a number is read as text where text is meant."""

    model_config = ConfigDict(coerce_numbers_to_str=True)
