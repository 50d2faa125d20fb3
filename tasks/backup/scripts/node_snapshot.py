"""A snapshot taken and uploaded by the node itself: what the node does, and what its output says."""

import base64
from collections.abc import Sequence

from pydantic import Field, ValidationError

from tasks.backup.models.backups import Digest
from tasks.core.errors import CommandFailed
from tasks.core.models.base import Model
from tasks.core.models.folders import BACKUPS
from tasks.core.models.profile import EtcdOnNode
from tasks.core.shell import script

PART_BYTES = 64 * 2**20
"""Of the upload: 10,000 parts are 640 GB, and a part that fails costs a second."""

SPACE_FACTOR = 2.2
"""Times the database: the snapshot, and its compressed form when it does not compress."""

NEEDED_PROGRAMS = ("curl", "zstd", "sha256sum", "od")
PART_TRIES = 5


class NodeSnapshot(Model):
    """What the job found and did."""

    hash: int
    compact_revision: int
    key_count: int
    newest_revision: int
    storage_version: str = ""
    plain: Digest
    stored: Digest
    etags: tuple[str, ...] = Field(min_length=1, description="of the parts, in order")


def parts_for(database_bytes: int) -> int:
    """How many parts an upload of it may have: zstd makes no snapshot larger by more than a part."""
    return database_bytes // PART_BYTES + 2


def space_needed(database_bytes: int) -> int:
    """Bytes on the node's disk while the job runs."""
    return int(database_bytes * SPACE_FACTOR)


def prepare_node() -> str:
    """Makes the folder where the snapshot will be; prints its free bytes, then each needed program that is missing."""
    return script(__file__, "prepare_node", root=BACKUPS, programs=NEEDED_PROGRAMS)


def what_is_missing(node: str, stdout: bytes, database_bytes: int) -> list[str]:
    """Each reason why the node cannot take and upload a snapshot; none when it can."""
    free, *programs = stdout.decode().split()
    needed = space_needed(database_bytes)
    wrong = [f"{node} has no {program}" for program in programs]
    if int(free) < needed:
        wrong.append(f"{node}: {BACKUPS} has {free} bytes free, a snapshot of {database_bytes} bytes needs {needed}")
    return wrong


def take_snapshot(name: str, tools: str, on_node: EtcdOnNode, revision: int) -> str:
    """The job. Its standard input: one presigned URL a line, for each part; none of it is ever on a disk or in argv."""
    return script(
        __file__,
        "take_snapshot",
        root=BACKUPS,
        work=f"{BACKUPS}/{name}",
        etcdctl=f"{tools}/etcdctl",
        server=f"https://{on_node.address}:{on_node.port}",
        cacert=on_node.ca,
        cert=on_node.certificate,
        key=on_node.key,
        revision=revision,
        part_bytes=PART_BYTES,
        part_tries=PART_TRIES,
    )


def send_file(name: str, file: str) -> str:
    """The job that sends a file in parts, to the addresses of its standard input; for `parse_etags`."""
    work = f"{BACKUPS}/{name}"
    return script(__file__, "send_file", work=work, file=file, part_bytes=PART_BYTES, part_tries=PART_TRIES)


def parse_etags(output: str) -> tuple[str, ...]:
    """Of the parts that were sent, in order."""
    found = (line.split(" ", 2)[1:] for line in output.splitlines() if line.startswith("etag "))
    return tuple(etag.strip() for _, etag in sorted((int(number), etag) for number, etag in found))


def parse_snapshot(node: str, output: str) -> NodeSnapshot:
    """From the lines `name value` of the job's output; CommandFailed when some are missing."""
    values = {name: value.strip() for name, _, value in (line.partition(" ") for line in output.splitlines())}
    try:
        return NodeSnapshot.model_validate(
            {
                "hash": values.get("hash"),
                "compact_revision": values.get("compact_revision"),
                "key_count": values.get("key_count"),
                "newest_revision": values.get("newest_revision"),
                "storage_version": values.get("storage_version", ""),
                "plain": {"size": values.get("plain_size"), "sha256": values.get("plain_sha256")},
                "stored": {"size": values.get("stored_size"), "sha256": values.get("stored_sha256")},
                "etags": parse_etags(output),
            }
        )
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, wrong["loc"])) for wrong in error.errors())
        raise CommandFailed(f"{node}: the snapshot job did not say: {fields}") from None


def read_back(name: str) -> str:
    """The job that reads the object behind the presigned URL of its standard input, and says what it is."""
    return script(__file__, "read_back", work=f"{BACKUPS}/{name}")


def parse_read_back(node: str, output: str) -> tuple[Digest, Digest]:
    """Of the object as stored, and of the snapshot in it."""
    values = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    try:
        stored, plain = (
            Digest(size=int(values[f"{what}_size"]), sha256=values[f"{what}_sha256"]) for what in ("stored", "plain")
        )
    except (KeyError, ValueError):
        raise CommandFailed(f"{node}: the read-back job did not say what it read: {output}") from None
    return stored, plain


def input_of(urls: Sequence[str], ca: bytes) -> bytes:
    """Standard input for either job: the store's CA, then a URL a line."""
    first = base64.b64encode(ca).decode() if ca else "-"
    return "".join(f"{line}\n" for line in (first, *urls)).encode()
