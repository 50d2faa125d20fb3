"""Resolves a profile's secret references at the last moment, in memory only."""

import os
import stat
from pathlib import Path
from typing import cast

from prefect.blocks.system import Secret

from tasks.core.errors import Refused
from tasks.core.redaction import remember_secret


def resolve_secret(reference: str, field: str) -> str:
    """Returns the secret of `file:PATH`, `env:NAME` or `prefect:BLOCK`; `Refused` names the profile's field and the fix."""
    if reference.startswith("file:"):
        _refuse_if_open_to_everyone(Path(reference.removeprefix("file:")), field)
    text = resolve_public(reference, field)
    remember_secret(text)
    return text


def resolve_public(reference: str, field: str) -> str:
    """Returns the value of a reference that is no secret, such as a certificate; `Refused` names the field and the fix.

    Its file may be readable by everyone, and logs may show the value.
    """
    kind, _, place = reference.partition(":")
    text = {"file": _from_file, "env": _from_environment, "prefect": _from_block}[kind](place, field)
    if not text.strip():
        raise Refused(f"{field}: {reference} is empty", hint="put the content there")
    return text


def read_public_file(path: str, field: str) -> str:
    """Returns a file that the profile names by its path and that is no secret, such as known_hosts or a CA bundle."""
    return _from_file(path, field)


def _refuse_if_open_to_everyone(path: Path, field: str) -> None:
    mode = path.stat().st_mode if path.is_file() else 0
    if mode & stat.S_IRWXO:
        raise Refused(
            f"{field}: {path} is open to every user (mode {stat.S_IMODE(mode):04o})",
            hint=f"chmod o= {path}; for a Kubernetes Secret volume set defaultMode: 0440",
        )


def _from_file(place: str, field: str) -> str:
    path = Path(place)
    try:
        return path.read_text()
    except FileNotFoundError as error:
        raise Refused(f"{field}: {path} does not exist", hint="correct the path, or put the file there") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{field}: {path} is not text", hint="give a PEM or text file") from error
    except OSError as error:
        raise Refused(
            f"{field}: {path} cannot be read: {error.strerror}", hint="make it readable for the worker's user"
        ) from error


def _from_environment(place: str, field: str) -> str:
    if (text := os.environ.get(place)) is None:
        raise Refused(f"{field}: the environment variable {place} is not set", hint="set it for the worker")
    return text


def _from_block(place: str, field: str) -> str:
    try:
        block = cast("Secret[str]", Secret.load(place))
    except ValueError as error:
        raise Refused(
            f"{field}: Prefect has no Secret block {place!r}", hint=f"create it in the UI: Blocks, Secret, name {place}"
        ) from error
    return str(block.get())
