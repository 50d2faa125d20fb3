"""What a node that takes its own snapshot printed, read; and whether it can take one."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.backup.models.backups import Digest
from tasks.backup.scripts.etcd_tools import NO_TOOLS, no_tools
from tasks.backup.scripts.node_snapshot import (
    PART_BYTES,
    input_of,
    parse_etags,
    parse_read_back,
    parse_snapshot,
    parts_for,
    prepare_node,
    read_back,
    send_file,
    space_needed,
    take_snapshot,
    what_is_missing,
)
from tasks.core.errors import CommandFailed, Refused
from tasks.core.models.folders import BACKUPS
from tests.facts.control_plane import ON_NODE, encoded

HASHED = (
    '[{"Endpoint":"https://[::1]:2379","HashKV":{"header":{"cluster_id":4471880540378020211,"member_id":6570018694098667262,"revision":3767,'
    '"raft_term":2},"hash":3047926451,"compact_revision":-1,"hash_revision":3760}}]'
)
COUNTED = """
"ClusterID" : 4471880540378020211
"MemberID" : 6570018694098667262
"Revision" : 3767
"RaftTerm" : 2
"More" : false
"Count" : 526
"""
STATUS = (
    '[{"Endpoint":"https://[::1]:2379","Status":{"header":{"cluster_id":4471880540378020211,"member_id":6570018694098667262,"revision":3767,'
    '"raft_term":2},"version":"3.6.16","dbSize":36864,"leader":6570018694098667262,"raftIndex":5,"raftTerm":2,"raftAppliedIndex":5,'
    '"dbSizeInUse":16384,"storageVersion":"3.6.0","dbSizeQuota":2147483648,"downgradeInfo":{}}}]'
)
"""As etcdctl 3.6.16 prints them."""


def said(hashed: str = HASHED, counted: str = COUNTED, status: str = STATUS) -> str:
    """What the job printed."""
    return f"""\
hashkv {encoded(hashed)}
counted {encoded(counted)}
status {encoded(status)}
plain_size 3555360
plain_sha256 aa
stored_size 233102
stored_sha256 bb
etag 2 "second"
etag 10 "tenth"
etag 1 "first"
"""


OUTPUT = said()


def test_a_snapshot_is_what_its_job_said() -> None:
    """Parts in the order of their numbers, however they were told; nothing was compacted yet."""
    found = parse_snapshot("cp1", OUTPUT)
    assert (found.hash, found.key_count, found.newest_revision) == (3047926451, 526, 3767)
    assert (found.compact_revision, found.storage_version) == (0, "3.6.0")
    assert (found.plain, found.stored) == (Digest(size=3555360, sha256="aa"), Digest(size=233102, sha256="bb"))
    assert found.etags == parse_etags(OUTPUT) == ('"first"', '"second"', '"tenth"')


@pytest.mark.parametrize(
    ("missing", "told"),
    [("hashkv", "'hashkv'"), ("plain_size", "plain.size"), ("etag", "etags"), ("counted", "'counted'")],
)
def test_what_the_job_did_not_say_is_named(missing: str, told: str) -> None:
    """With the node's name."""
    output = "\n".join(line for line in OUTPUT.splitlines() if not line.startswith(missing))
    with pytest.raises(CommandFailed, match=f"cp1: the snapshot job did not say: {told}"):
        parse_snapshot("cp1", output)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (said(hashed="[]"), "etcdctl endpoint hashkv could not be parsed"),
        (said(hashed="Error: no"), "did not say: hashkv, which is no JSON"),
        (said(hashed=HASHED.replace('"hash":', '"sum":')), "HashKV.hash: Field required"),
        (said(status=STATUS.replace('"revision":3767', '"revision":null')), "Status.header.revision: Field required"),
        (said(counted="7"), "did not say: counted, which names no count"),
        (said(counted='"Count" : many'), "did not say: counted, which names no count"),
    ],
)
def test_what_etcdctl_did_not_say_is_no_zero(output: str, told: str) -> None:
    """A revision or a number of keys that is missing would be taken for a proof."""
    with pytest.raises(CommandFailed, match=f"cp1: the snapshot job.*{told}"):
        parse_snapshot("cp1", output)


def test_a_read_back_is_two_digests() -> None:
    """Of the object, and of what is in it."""
    said = "stored_size 2\nstored_sha256 bb\nplain_size 1\nplain_sha256 aa\n"
    assert parse_read_back("cp1", said) == (Digest(size=2, sha256="bb"), Digest(size=1, sha256="aa"))
    with pytest.raises(CommandFailed, match="cp1: the read-back job did not say what it read"):
        parse_read_back("cp1", "stored_size 2\n")


def test_a_node_says_what_room_it_has_and_which_programs_it_lacks(tmp_path: Path) -> None:
    """In a folder that the question makes; by a shell that knows its own commands alone."""
    script = prepare_node().replace(BACKUPS, str(tmp_path / "backups"))
    (tmp_path / "bin").mkdir()
    for program in ("mkdir", "df", "tail", "curl", "od"):
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    env = {"PATH": str(tmp_path / "bin")}
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env=env).stdout
    assert (tmp_path / "backups").is_dir()
    assert what_is_missing("cp1", said, 1) == ["cp1 has no zstd", "cp1 has no sha256sum"]


def test_a_node_needs_its_programs_and_room() -> None:
    """With the figures."""
    assert what_is_missing("cp1", b"1000000\n", 100) == []
    assert what_is_missing("cp1", b"10\ncurl\nzstd\n", 100) == [
        "cp1 has no curl",
        "cp1 has no zstd",
        f"cp1: /var/lib/kube-runbooks/backups has 10 bytes free, a snapshot of 100 bytes needs {space_needed(100)}",
    ]
    assert parts_for(3 * PART_BYTES) * PART_BYTES > 3 * PART_BYTES


def test_addresses_come_by_standard_input_and_nothing_secret_is_in_the_scripts() -> None:
    """The store's CA in the first line, in base64; a hyphen for none."""
    assert input_of(["https://a", "https://b"], b"") == b"-\nhttps://a\nhttps://b\n"
    assert base64.b64decode(input_of([], b"CA").strip()) == b"CA"
    for script in (take_snapshot("x", "/bin", ON_NODE, 7), send_file("x", "/a file"), read_back("x")):
        assert "https://a" not in script
        assert "read -r url" in script
    assert "FILE='/a file'" in send_file("x", "/a file")


def test_missing_programs_of_etcd_are_refused_and_a_failed_look_is_not_taken_for_that() -> None:
    """With what to install where."""
    refused = no_tools("cp1", "3.6", "registry.k8s.io/etcd:3.6.8-0", NO_TOOLS, b"")
    assert isinstance(refused, Refused)
    assert "nor has the image registry.k8s.io/etcd:3.6.8-0" in refused.problem
    assert "and it runs no member from an image" in no_tools("cp1", "3.6", "", NO_TOOLS, b"").problem
    assert "status 1: no such" in no_tools("cp1", "3.6", "", 1, b"no such").problem
