"""Reads the answers of other programs: the fields that are needed, and no more.

Go writes an empty slice, map or struct as `null`, and leaves out empty fields. All three read the same here. An
answer that does not fit becomes a sentence that names the object and the field, never a Python exception.
"""

from collections.abc import Mapping
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tasks.core.errors import NotYet

SHOWN = 3
"""Limits how many fields a sentence names."""


class Outside(BaseModel):
    """This is an answer of another program; fields that nobody here needs are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, value: object) -> object:
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, Mapping) else value

    @classmethod
    def read(cls, told: object, what: str) -> Self:
        """Parses the answer; raises `NotYet` that says what it is and which fields could not be parsed."""
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc'])) or 'all of it'}: {one['msg']}" for one in error.errors()]
            more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            raise NotYet(
                f"{what} could not be parsed: {'; '.join(wrong[:SHOWN])}{more}",
                hint="check what answers there: another program, a proxy, or a version that is not supported",
            ) from None


def name_of(kind: str, told: object) -> str:
    """Returns a readable name of a Kubernetes object, `pod kube-system/etcd-cp1`, even if it has no name."""
    metadata = told.get("metadata") if isinstance(told, Mapping) else None
    found = metadata if isinstance(metadata, Mapping) else {}
    named = "/".join(str(found[part]) for part in ("namespace", "name") if found.get(part))
    return f"{kind} {named or '(without a name)'}"


def from_yaml(text: str | bytes, what: str) -> object:
    """Returns the parsed document; raises `NotYet` that says what it is if the text is not YAML."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise NotYet(f"{what} is not YAML: {said}", hint="correct it with kubectl edit") from None


class InYaml(Outside):
    """This is an answer that people write as YAML: a number is read as text where text is expected."""

    model_config = ConfigDict(coerce_numbers_to_str=True)
