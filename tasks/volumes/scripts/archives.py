"""Archives a volume on its node: the scripts for the node, and the parsers of their output."""

import base64
from collections.abc import Mapping, Sequence

from pydantic import Field, ValidationError

from tasks.backup.models.backups import Digest
from tasks.backup.scripts.node_snapshot import PART_TRIES, parse_etags
from tasks.core.errors import CommandFailed
from tasks.core.models.base import Model
from tasks.core.models.folders import BACKUPS
from tasks.core.models.plan import Skip
from tasks.core.shell import Value, script
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.places import Target, Watch

LEFT_OUT = {
    "socket": "a socket, which no archive contains",
    "mount": "another file system is mounted there",
}


class Packed(Model):
    """Holds what the job found and sent."""

    files: int
    entries: int
    filesystem: str
    still: bool
    plain: Digest
    stored: Digest
    listed: Digest
    left_out: tuple[Skip, ...] = ()
    list_etags: tuple[str, ...] = Field(min_length=1)
    etags: tuple[str, ...] = Field(min_length=1)


def archive(name: str, folder: str, boot_id: str, part: int, *, while_used: bool) -> str:
    """Returns the job that archives a folder; `input_of_archive` makes its standard input."""
    return script(
        __file__,
        "archive",
        work=f"{BACKUPS}/{name}",
        folder=folder,
        boot=boot_id,
        while_used=while_used,
        part_bytes=part,
        part_tries=PART_TRIES,
    )


def input_of_archive(list_urls: Sequence[str], urls: Sequence[str], ca: bytes) -> bytes:
    """Returns the standard input of the job: the store's CA, the URLs of the list, and those of the archive."""
    first = base64.b64encode(ca).decode() if ca else "-"
    return "".join(f"{line}\n" for line in (first, *list_urls, "-", *urls)).encode()


def parse_packed(node: str, output: str) -> Packed:
    """Parses the lines `name value` of the job's output. CommandFailed when some are missing."""
    before, _, after = output.partition("\narchive\n")
    values = _values(output)
    try:
        return Packed.model_validate(
            {
                "files": values.get("files"),
                "entries": values.get("entries"),
                "filesystem": values.get("filesystem"),
                "still": values.get("still"),
                "left_out": _left_out(output),
                "list_etags": parse_etags(before),
                "etags": parse_etags(after),
                **{
                    field: _digest(values, name)
                    for field, name in (("plain", "plain"), ("stored", "stored"), ("listed", "list"))
                },
            }
        )
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, wrong["loc"])) for wrong in error.errors())
        raise CommandFailed(f"{node}: the archive job did not say: {fields}") from None


def _left_out(output: str) -> list[Skip]:
    found = []
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "left_out":
            kind, count, names = (rest + "  ").split(" ")[:3]
            shown = [show(name) for name in base64.b64decode(names).split(b"\0")[:-1]]
            found += [Skip(subject=name, reason=LEFT_OUT[kind]) for name in shown]
            if more := int(count) - len(shown):
                found.append(Skip(subject=f"{more} more", reason=LEFT_OUT[kind]))
    return found


def show(name: bytes) -> str:
    """Returns the name of a file for people: what is no text, and each control character, as an escape."""
    text = name.decode(errors="backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def read_archive(name: str) -> str:
    """Returns the job that reads list and archive behind the presigned URLs in its standard input."""
    return script(__file__, "read_archive", work=f"{BACKUPS}/{name}")


def parse_read(node: str, output: str) -> tuple[Digest, Digest, Digest]:
    """Parses the digests of the list, of the archive, and of the tar in it. CommandFailed when one is missing."""
    values = _values(output)
    try:
        listed, stored, plain = (Digest.model_validate(_digest(values, name)) for name in ("list", "stored", "plain"))
    except ValidationError:
        raise CommandFailed(f"{node}: the job that reads an archive back did not say what it read: {output}") from None
    return listed, stored, plain


def restore(  # noqa: PLR0913, PLR0917 - the script is given these
    name: str, one: Archive, target: Target, needed: int, entries: int, watch: Watch
) -> str:
    """Returns the job that restores the archive behind the presigned URLs in its standard input: list, then archive.

    Args:
        name: of the job
        one: the archive
        target: the folder
        needed: bytes that have to be free there
        entries: the same of inodes
        watch: what the node keeps free
    """
    given: dict[str, Value] = {
        "work": f"{BACKUPS}/{name}",
        "folder": target.path,
        "new": target.unfinished(one),
        "note": target.note,
        "sha256": one.stored.sha256,
        "list": one.listed.sha256,
        "is_fuzzy": bool(one.fuzzy),
        "needed": needed,
        "entries": entries,
        "watched": watch.lines,
    }
    return script(__file__, "fill", **given) if target.is_named else script(__file__, "restore", **given)


def parse_restored(node: str, output: str) -> int:
    """Parses how many lines of the list differ from the restored folder."""
    found = _values(output).get("different", "")
    if not found.isdigit():
        raise CommandFailed(f"{node}: the restore job did not say how it compares with its list: {output}")
    return int(found)


def _values(output: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(" ") for line in output.splitlines())}


def _digest(values: Mapping[str, str], name: str) -> dict[str, str | None]:
    return {"size": values.get(f"{name}_size"), "sha256": values.get(f"{name}_sha256")}
