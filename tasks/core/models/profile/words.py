"""Kinds of values that a profile has in many places."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""A DNS label (RFC 1123): safe as a file name, in an object key and in a Lease."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]

ClusterName = Name

HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", max_length=253)]

Port = Annotated[int, Field(ge=1, le=65535)]


def _is_a_secret_reference(text: str) -> str:
    kind, separator, rest = text.partition(":")
    if not separator or kind not in {"file", "env", "prefect"} or not rest or "\n" in text:
        message = "an inline secret or an unknown kind of reference; write file:PATH, env:NAME or prefect:BLOCK"
        raise ValueError(message)
    return text


SecretRef = Annotated[str, AfterValidator(_is_a_secret_reference)]
"""Where a secret is: `file:PATH`, `env:NAME` or `prefect:BLOCK` (a Prefect Secret block). Never the secret itself."""


def _is_absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or " " in str(path):
        message = "a path on the node has to be absolute, and without a space"
        raise ValueError(message)
    return path


NodePath = Annotated[PurePosixPath, AfterValidator(_is_absolute)]
"""An absolute path on a node."""
