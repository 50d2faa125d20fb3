"""The snapshot format: the database, then its sha256."""

import hashlib
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backup.policy.snapshots import SnapshotCheck, what_is_implausible
from tasks.core.errors import NotYet
from tests.facts.etcd import status

DATABASE = os.urandom(8 * 512)
SNAPSHOT = DATABASE + hashlib.sha256(DATABASE).digest()


def check(*chunks: bytes) -> SnapshotCheck:
    """A check that was given these chunks."""
    made = SnapshotCheck()
    for chunk in chunks:
        made.update(chunk)
    return made


@given(st.lists(st.integers(0, len(SNAPSHOT)), max_size=20))
def test_any_chunking_gives_the_digest_of_the_whole(cuts: list[int]) -> None:
    """The trailer may come in one message, in two, or behind data."""
    edges = [0, *sorted(cuts), len(SNAPSHOT)]
    chunks = [SNAPSHOT[start:end] for start, end in itertools.pairwise(edges)]
    digest = check(*chunks).finish(announced=len(SNAPSHOT))
    assert (digest.size, digest.sha256) == (len(SNAPSHOT), hashlib.sha256(SNAPSHOT).hexdigest())


@given(st.integers(0, len(SNAPSHOT) * 8 - 1))
def test_every_flipped_bit_is_found(bit: int) -> None:
    """In the data and in the trailer; `etcdutl snapshot status` finds neither."""
    harmed = bytearray(SNAPSHOT)
    harmed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotYet, match="corrupt: etcd sent sha256"):
        check(bytes(harmed)).finish()


@given(st.integers(0, len(SNAPSHOT) - 1))
def test_a_stream_that_ends_early_is_found(length: int) -> None:
    """Also at a page's edge, where its length alone looks right."""
    with pytest.raises(NotYet, match=f"cut short: {length} bytes came of {len(SNAPSHOT)}"):
        check(SNAPSHOT[:length]).finish(announced=len(SNAPSHOT))


@pytest.mark.parametrize(
    "data", [b"", b"x" * 31, b"x" * 512, SNAPSHOT + b"\0"], ids=["empty", "short", "none", "longer"]
)
def test_what_is_no_snapshot_is_called_so(data: bytes) -> None:
    """By its length, before any hash is believed."""
    with pytest.raises(NotYet, match="no etcd snapshot"):
        check(data).finish()


@pytest.mark.parametrize(
    ("size", "plausible"),
    [(99, False), (100, True), (400, True), (2 * 400 + 64 * 2**20, True), (2 * 400 + 64 * 2**20 + 1, False)],
)
def test_plausible_sizes_are_half_of_what_is_used_to_twice_the_file(size: int, *, plausible: bool) -> None:
    """With both bounds inside, and the numbers in the sentence."""
    told = what_is_implausible(size, status(db_size=400, db_size_in_use=200))
    assert (told is None) is plausible
    assert plausible or str(size) in str(told)
