"""A snapshot taken and uploaded by the node itself: the script of the job, and what its output says."""

import base64
import shlex
from collections.abc import Sequence

from pydantic import Field, ValidationError

from tasks.backup.models.backups import Digest
from tasks.core.errors import CommandFailed
from tasks.core.models.base import Model
from tasks.core.models.folders import BACKUPS
from tasks.core.models.profile import EtcdOnNode

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


def check_node() -> str:
    """The command that prints the free bytes where the snapshot will be, then each needed program that is missing."""
    programs = " ".join(NEEDED_PROGRAMS)
    return (
        f"mkdir -p {BACKUPS}; df --output=avail -B1 {BACKUPS} | tail -n 1; "
        f"for each in {programs}; do command -v $each > /dev/null || echo $each; done"
    )


def what_is_missing(node: str, stdout: bytes, database_bytes: int) -> list[str]:
    """Each reason why the node cannot take and upload a snapshot; none when it can."""
    free, *programs = stdout.decode().split()
    needed = space_needed(database_bytes)
    wrong = [f"{node} has no {program}" for program in programs]
    if int(free) < needed:
        wrong.append(f"{node}: {BACKUPS} has {free} bytes free, a snapshot of {database_bytes} bytes needs {needed}")
    return wrong


def snapshot_script(name: str, tools: str, on_node: EtcdOnNode, revision: int) -> str:
    """The job. Its standard input: one presigned URL a line, for each part; none of it is ever on a disk or in argv."""
    server = f"https://{on_node.address}:{on_node.port}"
    client = ["--cacert", on_node.ca, "--cert", on_node.certificate, "--key", on_node.key, "--endpoints", server]
    flags = " ".join(shlex.quote(str(word)) for word in client)
    return _SCRIPT.format(
        work=f"{BACKUPS}/{name}",
        root=BACKUPS,
        etcdctl=f"{tools}/etcdctl {flags}",
        revision=revision,
        upload=_UPLOAD.format(part=PART_BYTES, tries=PART_TRIES),
        ca=READ_CA,
    )


def upload_script(name: str, file: str) -> str:
    """The job that sends a file in parts, to the addresses of its standard input; for `parse_etags`."""
    upload = _UPLOAD.format(part=PART_BYTES, tries=PART_TRIES)
    work = f'work={BACKUPS}/{name}\ntrap \'rm -rf "$work"\' EXIT\nmkdir -p "$work"; cd "$work"'
    return f"set -eu\numask 077\n{work}\n{READ_CA}\nfile={shlex.quote(file)}\n{upload}"


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


def read_back_script(name: str) -> str:
    """The job that reads the object behind the presigned URL of its standard input, and says what it is."""
    return _READ_BACK.format(work=f"{BACKUPS}/{name}", ca=READ_CA)


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


_SCRIPT = """\
set -eu
umask 077
work={work}
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
find {root} -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {{}} +
rm -rf "$work"; mkdir -p "$work"; cd "$work"
{ca}
etcdctl() {{ {etcdctl} "$@"; }}
field() {{ sed -n "s/.*\\"$1\\":\\"\\{{0,1\\}}\\([^,\\"}}]*\\).*/\\1/p" | head -n 1; }}

etcdctl snapshot save snapshot.db > save.log 2>&1 &
saving=$!
# The hash at a revision that is in the snapshot for sure, asked now: later a compaction may have passed it.
hashed=$(etcdctl --command-timeout=300s endpoint hashkv --rev={revision} --write-out=json)
counted=$(etcdctl --command-timeout=60s get "" --prefix --count-only --rev={revision} --consistency=s --write-out=fields)
wait $saving || {{ cat save.log; exit 1; }}
echo "hash $(echo "$hashed" | field hash)"
compacted=$(echo "$hashed" | field compact_revision); echo "compact_revision ${{compacted:-0}}"
echo "key_count $(echo "$counted" | sed -n 's/^"Count" : //p')"
status=$(etcdctl endpoint status --write-out=json)
echo "newest_revision $(echo "$status" | field revision)"
echo "storage_version $(echo "$status" | field storageVersion)"

size=$(stat -c %s snapshot.db)
[ $((size % 512)) -eq 32 ] || {{ echo "the snapshot has $size bytes: no whole pages and a trailer"; exit 1; }}
trailer=$(tail -c 32 snapshot.db | od -An -v -tx1 | tr -d ' \\n')
sum=$(head -c -32 snapshot.db | sha256sum | cut -d' ' -f1)
[ "$trailer" = "$sum" ] || {{ echo "the snapshot's sha256 is $sum, its trailer says $trailer"; exit 1; }}
echo "plain_size $size"
echo "plain_sha256 $(sha256sum < snapshot.db | cut -d' ' -f1)"
zstd -q -1 --rm --check snapshot.db
echo "stored_size $(stat -c %s snapshot.db.zst)"
echo "stored_sha256 $(sha256sum < snapshot.db.zst | cut -d' ' -f1)"

file=snapshot.db.zst
{upload}"""

_UPLOAD = """\
put() {{ # NUMBER LENGTH URL
  try=1
  until etag=$(printf 'url = "%s"\\n' "$3" | {{
    exec 3<&0
    tail -c +$((($1 - 1) * {part} + 1)) "$file" | head -c "$2" | curl --config /dev/fd/3 --upload-file - \\
      --silent --show-error --fail --connect-timeout 10 --speed-limit 1024 --speed-time 60 $CA \\
      --header "Content-Length: $2" --header "Transfer-Encoding:" --header "Expect:" --dump-header - --output body
  }} | tr -d '\\r' | sed -n 's/^[Ee][Tt][Aa][Gg]: *//p') && [ -n "$etag" ]; do
    [ $try -lt {tries} ] || {{ head -c 500 body 2>/dev/null || true; echo "part $1 was not taken in $try tries"; exit 75; }}
    sleep $try; try=$((try + 1))
  done
  echo "etag $1 $etag"
}}
left=$(stat -c %s "$file")
number=1
while [ "$left" -gt 0 ] && read -r url; do
  length=$left; [ "$length" -le {part} ] || length={part}
  put $number $length "$url"
  left=$((left - length)); number=$((number + 1))
done
[ "$left" -eq 0 ] || {{ echo "$file has $left bytes more than there are URLs for"; exit 1; }}
"""
"""Sends `$file` in parts, to a URL a line of standard input; prints an ETag a part."""

_READ_BACK = """\
set -eu
umask 077
work={work}
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
rm -rf "$work"; mkdir -p "$work"; cd "$work"
{ca}
read -r url
printf 'url = "%s"\\n' "$url" | curl --config - --silent --show-error --fail --connect-timeout 10 --retry 3 \\
  --speed-limit 1024 --speed-time 60 $CA --output stored || exit 75
echo "stored_size $(stat -c %s stored)"
echo "stored_sha256 $(sha256sum < stored | cut -d' ' -f1)"
zstd -qdc stored > plain
echo "plain_size $(stat -c %s plain)"
echo "plain_sha256 $(sha256sum < plain | cut -d' ' -f1)"
"""

READ_CA = """\
CA=
read -r ca
if [ "$ca" != - ]; then echo "$ca" | base64 -d > ca.pem; CA="--cacert $work/ca.pem"; fi"""
"""The first line of the standard input: the CA of the store in base64, or `-`. It is no secret, and has many lines."""
