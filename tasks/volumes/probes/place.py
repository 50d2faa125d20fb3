"""Asks a node about the folder into which an archive is restored: `look_at_place.sh`, and a parser of its answer."""

import base64
from collections.abc import Mapping

from pydantic import ValidationError

from tasks.core.errors import NotYet
from tasks.core.shell import script
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.places import Place, Target, Watch

LIMITLESS = "-"


def look_at_place(one: Archive, target: Target, watch: Watch) -> str:
    """Returns the question for a node."""
    return script(
        __file__,
        "look_at_place",
        place=target.path,
        old=one.path,
        new=target.unfinished(one),
        note=target.note,
        sha256=one.stored.sha256,
        watched=watch.lines,
    )


def parse_place(node: str, path: str, output: str) -> Place:
    """Parses its answer. `NotYet` with the field if something is missing: silence is no room."""
    values = {name: value.strip() for name, _, value in (line.partition(" ") for line in output.splitlines())}
    try:
        return Place.model_validate(
            {
                "path": path,
                "kind": values.get("kind"),
                **{name: _text(values, name) for name in ("real", "content", "filesystem")},
                "is_whole": "whole" in values,
                "is_apart": "apart" in values,
                "is_watched": "watched" in values,
                **_room(values),
            }
        )
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, wrong["loc"])) for wrong in error.errors())
        raise NotYet(f"{node}: it did not say about {path}: {fields}", hint="run this again") from None


def _room(values: Mapping[str, str]) -> dict[str, object]:
    """Returns what the node says of the room. Where no folder is, there is none."""
    if "real" not in values:
        return {}
    entries = values.get("spare_entries", "")
    return {
        "free": values.get("free"),
        "spare": values.get("spare"),
        "spare_entries": None if entries == LIMITLESS else entries,
        "left": values.get("left", "0"),
    }


def _text(values: Mapping[str, str], name: str) -> str:
    return base64.b64decode(values.get(name, "")).decode(errors="backslashreplace").removesuffix("\n")
