"""Takes and uploads a snapshot on the node itself: the scripts for the node, and the parsers of their output."""

import base64
import json
from collections.abc import Mapping, Sequence

from pydantic import Field, ValidationError

from tasks.backup.models.backups import Digest
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.folders import BACKUPS
from tasks.core.models.profile import EtcdOnNode
from tasks.core.models.shape import Address
from tasks.core.shell import script

PART_BYTES = 64 * 2**20
"""This is the size of an upload part: 10,000 parts are 640 GB, and a failed part costs a second."""

SPACE_FACTOR = 2.2
"""Multiplies the size of the database to get the space on the node.

The space holds the snapshot, and its compressed form in case it does not compress.
"""

SAVE_LIMIT = 3600
"""Limits the seconds that etcdctl may write: 8 GB at 3 MB/s."""

NEEDED_PROGRAMS = ("curl", "zstd", "sha256sum", "od")
PART_TRIES = 5


class NodeSnapshot(Model):
    """Holds what the job found and did."""

    hash: int
    compact_revision: int
    key_count: int
    newest_revision: int
    storage_version: str = ""
    plain: Digest
    stored: Digest
    etags: tuple[str, ...] = Field(min_length=1, description="of the parts, in order")


def parts_for(database_bytes: int) -> int:
    """Returns how many parts an upload may have; zstd makes no snapshot larger by more than a part."""
    return database_bytes // PART_BYTES + 2


def space_needed(database_bytes: int) -> int:
    """Returns the bytes needed on the node's disk while the job runs."""
    return int(database_bytes * SPACE_FACTOR)


def prepare_node() -> str:
    """Creates the folder for the snapshot; prints its free bytes, then each needed program that is missing."""
    return script(__file__, "prepare_node", root=BACKUPS, programs=NEEDED_PROGRAMS)


def what_is_missing(node: str, stdout: bytes, database_bytes: int) -> list[str]:
    """Returns each reason why the node cannot take and upload a snapshot; none if it can."""
    free, *programs = stdout.decode().split()
    needed = space_needed(database_bytes)
    wrong = [f"{node} has no {program}" for program in programs]
    if int(free) < needed:
        wrong.append(f"{node}: {BACKUPS} has {free} bytes free, a snapshot of {database_bytes} bytes needs {needed}")
    return wrong


def take_snapshot(name: str, tools: str, on_node: EtcdOnNode, revision: int) -> str:
    """Returns the job that takes the snapshot.

    Its standard input has one presigned URL a line, for each part. None of it is ever on a disk or in argv.
    """
    return script(
        __file__,
        "take_snapshot",
        root=BACKUPS,
        work=f"{BACKUPS}/{name}",
        etcdctl=f"{tools}/etcdctl",
        server=f"https://{Address(host=on_node.address, port=on_node.port).text}",
        cacert=on_node.ca,
        cert=on_node.certificate,
        key=on_node.key,
        revision=revision,
        limit=f"{SAVE_LIMIT}s",
        part_bytes=PART_BYTES,
        part_tries=PART_TRIES,
    )


def send_file(name: str, file: str) -> str:
    """Returns the job that sends a file in parts to the URLs in its standard input; `parse_etags` reads its output."""
    work = f"{BACKUPS}/{name}"
    return script(__file__, "send_file", work=work, file=file, part_bytes=PART_BYTES, part_tries=PART_TRIES)


def parse_etags(output: str) -> tuple[str, ...]:
    """Returns the ETags of the parts that were sent, in order."""
    found = (line.split(" ", 2)[1:] for line in output.splitlines() if line.startswith("etag "))
    return tuple(etag.strip() for _, etag in sorted((int(number), etag) for number, etag in found))


def parse_snapshot(node: str, output: str) -> NodeSnapshot:
    """Parses the lines `name value` of the job's output.

    CommandFailed when some are missing, or etcdctl's JSON cannot be parsed.
    """
    values = {name: value.strip() for name, _, value in (line.partition(" ") for line in output.splitlines())}
    try:
        hashed = outside.EtcdHash.read(_first(values, "hashkv"), "etcdctl endpoint hashkv").hash_kv
        status = outside.EtcdStatus.read(_first(values, "status"), "etcdctl endpoint status").status
        return NodeSnapshot.model_validate(
            {
                "hash": hashed.hash,
                "compact_revision": max(hashed.compact_revision, 0),
                "key_count": _count(values),
                "newest_revision": status.header.revision,
                "storage_version": status.storage_version,
                "plain": {"size": values.get("plain_size"), "sha256": values.get("plain_sha256")},
                "stored": {"size": values.get("stored_size"), "sha256": values.get("stored_sha256")},
                "etags": parse_etags(output),
            }
        )
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, wrong["loc"])) for wrong in error.errors())
        raise CommandFailed(f"{node}: the snapshot job did not say: {fields}") from None
    except (KeyError, ValueError) as error:
        raise CommandFailed(f"{node}: the snapshot job did not say: {error}") from None
    except NotYet as error:
        raise CommandFailed(f"{node}: the snapshot job: {error.problem}") from None


def _json(values: Mapping[str, str], name: str) -> object:
    """Parses the JSON that etcdctl printed.

    It raises KeyError or ValueError with the name if there is no output, or if it is not JSON.
    """
    try:
        return json.loads(base64.b64decode(values[name]))
    except ValueError:
        message = f"{name}, which is no JSON"
        raise ValueError(message) from None


def _count(values: Mapping[str, str]) -> int:
    """Parses the count from `--write-out=fields`, a line `"Count" : 7`; etcdctl reports a count in no other format."""
    lines = base64.b64decode(values["counted"]).decode(errors="replace").splitlines()
    found = [value for name, _, value in (line.partition(" : ") for line in lines) if name == '"Count"']
    if len(found) != 1 or not found[0].isdigit():
        message = "counted, which names no count"
        raise ValueError(message)
    return int(found[0])


def _first(values: Mapping[str, str], name: str) -> object:
    """Returns the only answer of a list with one answer for each endpoint, because there is one endpoint."""
    found = _json(values, name)
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def read_back(name: str) -> str:
    """Returns the job that reads the object behind the presigned URL in its standard input, and reports its digests."""
    return script(__file__, "read_back", work=f"{BACKUPS}/{name}")


def parse_read_back(node: str, output: str) -> tuple[Digest, Digest]:
    """Parses the digests of the stored object and of the snapshot in it.

    CommandFailed when one is missing.
    """
    values = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    try:
        stored, plain = (
            Digest(size=int(values[f"{what}_size"]), sha256=values[f"{what}_sha256"]) for what in ("stored", "plain")
        )
    except (KeyError, ValueError):
        raise CommandFailed(f"{node}: the read-back job did not say what it read: {output}") from None
    return stored, plain


def input_of(urls: Sequence[str], ca: bytes) -> bytes:
    """Returns the standard input for either job: the store's CA, then a URL a line."""
    first = base64.b64encode(ca).decode() if ca else "-"
    return "".join(f"{line}\n" for line in (first, *urls)).encode()
