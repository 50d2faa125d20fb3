"""What the jobs on a node printed about an archive, read; and what they are given."""

import base64

import pytest

from tasks.backup.models.backups import Digest
from tasks.core.errors import CommandFailed
from tasks.volumes.models.places import Target, Threshold, Watch, Watched
from tasks.volumes.scripts.archives import (
    archive,
    input_of_archive,
    parse_packed,
    parse_read,
    parse_restored,
    read_archive,
    restore,
    show,
)
from tests.facts import volumes as facts

LISTED, PLAIN, STORED = (Digest(size=size, sha256=sum_) for size, sum_ in ((300, "cc"), (10240, "bb"), (1200, "aa")))
READ = "list_size 300\nlist_sha256 cc\nstored_size 1200\nstored_sha256 aa\nplain_size 10240\nplain_sha256 bb\n"  # as printed


def said(sockets: bytes = b"", count: int = 0, still: str = "yes") -> str:
    """What the job printed."""
    names = base64.b64encode(sockets).decode()
    return f"""\
left_out socket {count} {names}
left_out mount 0 
filesystem ext2/ext3
files 5
entries 7
list_size 300
list_sha256 cc
etag 1 "list"
archive
etag 2 "second"
etag 1 "first"
plain_size 10240
plain_sha256 bb
stored_size 1200
stored_sha256 aa
still {still}
"""  # noqa: W291 - as printed


def test_an_archive_is_what_its_job_said() -> None:
    """Parts of the list and of the archive are told apart; names are shown as people can read them."""
    found = parse_packed("w1", said())
    assert (found.files, found.entries, found.filesystem, found.still, found.left_out) == (5, 7, "ext2/ext3", True, ())
    assert (found.plain, found.stored, found.listed) == (PLAIN, STORED, LISTED)
    assert (found.list_etags, found.etags) == (('"list"',), ('"first"', '"second"'))
    odd = parse_packed("w1", said(b"a\nb\0\xff\0", 22, "no"))
    assert not odd.still
    assert [one.subject for one in odd.left_out] == ["a\\nb", "\\xff", "20 more"]
    assert {one.reason for one in odd.left_out} == {"a socket, which no archive contains"}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("files", "files"),
        ("entries", "entries"),
        ("stored_size", "stored.size"),
        ("still", "still"),
        ("archive", "etags"),
        ("etag 1", "etags"),
    ],
)
def test_what_the_job_did_not_say_is_named(missing: str, told: str) -> None:
    """With the node's name."""
    output = "\n".join(line for line in said().splitlines() if not line.startswith(missing))
    with pytest.raises(CommandFailed, match=f"w1: the archive job did not say: .*{told}"):
        parse_packed("w1", output)


def test_what_is_read_back_is_three_digests() -> None:
    """One that is missing is no digest of nothing."""
    assert parse_read("w1", READ) == (LISTED, STORED, PLAIN)
    with pytest.raises(CommandFailed, match="w1: the job that reads an archive back did not say"):
        parse_read("w1", "list_size 300\n")


def test_a_restore_says_how_it_compares_with_its_list() -> None:
    """Silence is no zero."""
    assert parse_restored("w1", "different 3\n") == 3
    with pytest.raises(CommandFailed, match="w1: the restore job did not say"):
        parse_restored("w1", "")


def test_addresses_come_by_standard_input_and_nothing_secret_is_in_the_scripts() -> None:
    """A line separates those of the list from those of the archive."""
    assert (
        input_of_archive(["https://a"], ["https://b", "https://c"], b"") == b"-\nhttps://a\n-\nhttps://b\nhttps://c\n"
    )
    assert input_of_archive(["https://a"], [], b"CA").startswith(base64.b64encode(b"CA") + b"\n")
    made = archive("x", "/a b", "b1", 2**20, while_used=True)
    assert "FOLDER='/a b'" in made
    assert "WHILE_USED=yes" in made
    assert "https" not in made + read_archive("x")
    watch = Watch(folders=(Watched(folder="/a b", size=Threshold(percent=15), entries=Threshold(amount=7)),))
    new = restore("x", facts.archive(), Target(path="/mnt/disks/a"), 10, 1, watch)
    assert "NEW=/mnt/disks/.a.kube-runbooks\n" in new
    named = restore("x", facts.archive(), Target(path="/mnt/disks/a", is_named=True), 10, 1, watch)
    assert "NEW=/mnt/disks/a/.kube-runbooks-aa\n" in named
    assert all("WATCHED='15 0 0 7 /a b'\n" in one for one in (new, named))
    assert "NOTE=/var/lib/kube-runbooks/volumes/restored-" in named


def test_a_name_is_shown_whatever_its_bytes_are() -> None:
    """Without control characters."""
    assert show("naïve".encode()) == "naïve"
    assert show(b"\x1b[31m\xff\t") == "\\x1b[31m\\xff\\t"
