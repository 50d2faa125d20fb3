"""Into which folder an archive may be restored, and what room it needs."""

import base64

import pytest

from tasks.backup.models.backups import Digest
from tasks.core.errors import NotYet
from tasks.volumes.models.facts import Volume
from tasks.volumes.models.places import Place, Target, Threshold, Watch, Watched
from tasks.volumes.policy.room import bytes_needed, entries_needed, volumes_at, what_has_no_room, what_is_in_the_way
from tasks.volumes.probes.place import look_at_place, parse_place
from tests.facts.volumes import archive

BESIDE, NAMED = Target(path="/mnt/disks/a-restored"), Target(path="/mnt/new", is_named=True)
NEW = Place(path=BESIDE.path, kind="nothing", real="/mnt/disks", filesystem="/", free=9000, spare=4000)
EMPTY = Place(path=NAMED.path, kind="directory", real="/mnt/new", filesystem="/mnt/new", free=10**6, spare=10**6)


def told(**changes: str) -> str:
    """What a node prints about an empty folder."""
    lines = {
        "kind": "directory",
        "real": base64.b64encode(b"/mnt/new\n").decode(),
        "content": "",
        "filesystem": base64.b64encode(b"/mnt\n").decode(),
        "free": "9000",
        "spare": "-20",
        "spare_entries": "7",
    }
    return "".join(f"{name} {value}\n" for name, value in (lines | changes).items())


def test_a_place_is_what_the_node_says() -> None:
    """Of a folder with all, and of nothing."""
    found = parse_place("w1", "/mnt/new", told())
    expected = Place(
        path="/mnt/new", kind="directory", real="/mnt/new", filesystem="/mnt", free=9000, spare=-20, spare_entries=7
    )
    assert found == expected
    more = told(
        content=base64.b64encode(b"a\nb").decode(), whole="yes", apart="yes", watched="yes", spare_entries="-", left="5"
    )
    changes = {
        "content": "a\nb",
        "is_whole": True,
        "is_apart": True,
        "is_watched": True,
        "spare_entries": None,
        "left": 5,
    }
    assert parse_place("w1", "/mnt/new", more) == expected.model_copy(update=changes)
    assert parse_place("w1", "/mnt/new", "kind regular file\n") == Place(path="/mnt/new", kind="regular file")


@pytest.mark.parametrize("missing", ["kind", "free", "spare", "spare_entries"])
def test_silence_is_no_room(missing: str) -> None:
    """What is missing is named."""
    output = "".join(f"{line}\n" for line in told().splitlines() if line.partition(" ")[0] != missing)
    with pytest.raises(NotYet, match=f"w1: it did not say about /mnt/new: {missing} ->"):
        parse_place("w1", "/mnt/new", output)


def test_the_question_has_both_folders() -> None:
    """What an interrupted attempt left is beside a new folder, and within a named one."""
    watch = Watch(folders=(Watched(folder="/", size=Threshold(percent=15), entries=Threshold(percent=5)),) * 2)
    asked = look_at_place(archive(), BESIDE, watch)
    assert "NEW=/mnt/disks/.a-restored.kube-runbooks\n" in asked
    assert "OLD=/mnt/disks/a\n" in asked
    assert "NEW=/mnt/new/.kube-runbooks-aa\n" in look_at_place(archive(), NAMED, watch)
    assert "WATCHED='15 0 5 0 /\n15 0 5 0 /'\n" in asked


def test_an_archive_needs_its_tar_and_the_rest_of_the_last_block_of_each_entry() -> None:
    """One of an older version does not say how many folders it has."""
    assert bytes_needed(archive()) == 10240 + 5 * 3584
    assert entries_needed(archive(entries=9)) == 9


@pytest.mark.parametrize(
    ("target", "place", "problem"),
    [
        (BESIDE, {}, ""),
        (BESIDE, {"real": "/srv"}, "/mnt/disks on w1 leads to /srv: there is no folder in which a new one can be made"),
        (BESIDE, {"real": ""}, "/mnt/disks on w1 does not exist: there is no folder"),
        (BESIDE, {"kind": "directory", "real": BESIDE.path, "content": "x"}, ""),
        (NAMED, {}, ""),
        (NAMED, {"is_whole": True, "content": "x"}, ""),
        (NAMED, {"content": "x"}, "/mnt/new on w1 is not empty: it has x"),
        (NAMED, {"kind": "nothing", "real": "/mnt"}, "/mnt/new on w1 does not exist"),
        (NAMED, {"real": "/srv/new"}, "/mnt/new on w1 leads to /srv/new: it has to be a folder"),
        (NAMED, {"kind": "regular file", "real": ""}, "/mnt/new on w1 is a regular file: it has to be a folder"),
        (NAMED, {"volumes": ("pv-7",)}, "/mnt/new on w1 belongs to another volume: pv-7"),
        (
            NAMED,
            {"path": "/var/lib"},
            "/var/lib on w1 contains or is within /var/lib/kube-runbooks, where runs keep their files",
        ),
        (
            NAMED,
            {"path": "/var/lib/kube-runbooks/x"},
            "/var/lib/kube-runbooks/x on w1 contains or is within /var/lib/kube-runbooks",
        ),
    ],
    ids=[
        "beside",
        "parent is a link",
        "no parent",
        "job compares",
        "named",
        "done before",
        "not empty",
        "nothing",
        "link",
        "file",
        "volume",
        "above ours",
        "in ours",
    ],
)
def test_what_is_in_the_way_is_told_with_a_next_step(target: Target, place: dict[str, object], problem: str) -> None:
    """A person names a folder that exists; one beside the old one is made."""
    found = what_is_in_the_way((EMPTY if target.is_named else NEW).model_copy(update=place), target, "w1")
    assert (found.text if found else "").startswith(problem)
    assert bool(found) == bool(problem)
    assert found is None or found.next_step


def test_archives_of_one_file_system_need_room_together() -> None:
    """28160 bytes each. What an interrupted attempt left goes first, and one that is there already needs none."""
    needed = bytes_needed(archive())
    one = NEW.model_copy(update={"spare": needed})
    assert what_has_no_room([(archive(), one)]) is None
    small = one.model_copy(update={"spare": needed - 10, "free": 10**6})
    found = what_has_no_room([(archive(), small)])
    assert found
    assert found.text == (
        f"the file system / of w1 has room for {needed - 10} bytes (1000000 are free, and {10**6 - needed + 10} have to stay free: with less, "
        f"kubelet evicts pods), and the archive needs {needed}"
    )
    assert "--path" in found.next_step
    assert what_has_no_room([(archive(), small.model_copy(update={"left": 10}))]) is None
    both = what_has_no_room([(archive(), one), (archive(claim="b"), one)])
    assert both
    assert f"has room for {needed} bytes (9000 are free" not in both.text
    assert f"and the 2 archives need {2 * needed}" in both.text
    filled = small.model_copy(update={"content": "x", "kind": "directory"})
    assert what_has_no_room([(archive(), filled), (archive(), small.model_copy(update={"is_whole": True}))]) is None
    full = what_has_no_room([(archive(), small.model_copy(update={"spare": -5}))])
    assert full
    assert "has room for 0 bytes" in full.text


def test_inodes_are_room_too() -> None:
    """A file system without a limit has enough."""
    place = NEW.model_copy(update={"spare": 10**6, "spare_entries": 4})
    found = what_has_no_room([(archive(), place)])
    assert found
    assert "has room for 4 files, and the archive needs 5" in found.text
    big = archive(plain=Digest(size=10, sha256="bb"))
    assert what_has_no_room([(big, place.model_copy(update={"spare_entries": 5}))]) is None


def test_a_folder_belongs_to_a_volume_that_is_on_its_path() -> None:
    """Or below, or above. The volume that the restore makes itself does not count, and none without a path."""
    volumes = [
        Volume(name=name, source="local", path=path)
        for name, path in (
            ("same", "/mnt/a"),
            ("below", "/mnt/a/b"),
            ("above", "/mnt"),
            ("other", "/mnt/ab"),
            ("own", "/mnt/a"),
            ("csi", ""),
        )
    ]
    assert volumes_at("/mnt/a", volumes, "own") == ("same", "below", "above")
