"""Asks a node about the folder of a volume: `look_at_folder.sh`, and a parser of its answer."""

import base64
from collections.abc import Mapping

from pydantic import ValidationError

from tasks.core.errors import NotYet
from tasks.core.models.folders import BACKUPS
from tasks.core.shell import script
from tasks.volumes.models.archives import Folder

PROGRAMS = ("curl", "zstd", "tar", "sha256sum", "find", "xargs", "sort", "dd", "mkfifo", "cmp", "comm")


def look_at_folder(folder: str) -> str:
    """Returns the question for a node."""
    return script(__file__, "look_at_folder", folder=folder, spool=BACKUPS, programs=PROGRAMS)


def _contents(values: Mapping[str, str]) -> dict[str, str | None]:
    """Returns what the node says of the contents of a folder, which is missing rather than 0. What is no folder has none."""
    if values.get("kind") != "directory":
        return {}
    return {"filesystem": values.get("filesystem"), "size": values.get("bytes"), "entries": values.get("entries")}


def parse_folder(node: str, output: str) -> Folder:
    """Parses its answer. `NotYet` with the field if something is missing."""
    lines = [line.partition(" ")[::2] for line in output.splitlines()]
    values = {name: value.strip() for name, value in lines}
    try:
        return Folder.model_validate(
            {
                "boot_id": values.get("boot"),
                "kind": values.get("kind"),
                "real": base64.b64decode(values.get("real", "")).decode(errors="backslashreplace").removesuffix("\n"),
                **_contents(values),
                "free": values.get("free"),
                "missing": tuple(value for name, value in lines if name == "missing"),
            }
        )
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, wrong["loc"])) for wrong in error.errors())
        raise NotYet(f"{node}: it did not say about the folder: {fields}", hint="run this again") from None
