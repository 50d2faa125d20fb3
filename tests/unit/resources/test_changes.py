"""What changed between two backups, and which packs are needed."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tasks.core.models.plan import Skip
from tasks.resources.models import Change, Pack
from tasks.resources.policy.changes import (
    MOST_LINES,
    SHOWN,
    filled,
    in_words,
    pairs_of,
    to_change,
    to_diff,
    to_text,
    values_note,
)
from tasks.resources.policy.packs import broken_backups, unused_packs
from tests.facts.resources import NOON, entry, manifest

SALT = b"salt"


def test_objects_are_created_deleted_and_changed() -> None:
    """In a stable order; the same file is no change, even of a new object."""
    older = manifest(entry("same"), entry("gone"), entry("edited"))
    newer = manifest(entry("same", uid="new"), entry("edited", sha256="2"), entry("new"))
    pairs, unread = pairs_of(older, newer)
    assert unread == ()
    changes = [to_change(one, NOON) for one in pairs]
    assert [(one.action, one.name) for one in changes] == [
        ("changed", "edited"),
        ("deleted", "gone"),
        ("created", "new"),
    ]
    assert [one.by for one in changes] == ["kubectl-edit 2026-12-01T12:30:00Z", "", "kubectl-edit 2026-12-01T12:30:00Z"]


def test_a_secret_may_have_changed_although_its_readable_part_did_not() -> None:
    """Its resourceVersion shows it."""
    secret = entry("login", "Secret")
    assert pairs_of(manifest(secret), manifest(secret)) == ((), ())
    (pair,), _ = pairs_of(manifest(secret), manifest(secret._replace(resource_version="8")))
    assert to_change(pair, NOON).action == "changed"


def test_a_kind_that_was_not_read_is_not_deleted() -> None:
    """Neither by its name nor by its group."""
    widget = entry("w", "Widget", group="example.com")
    gone = (Skip(subject="*.example.com", reason="x"), Skip(subject="configmaps", reason="x"))
    pairs, unread = pairs_of(manifest(widget, entry()), manifest(not_read=gone))
    assert (pairs, unread) == ((), ("*.example.com", "configmaps"))


def test_a_kind_that_was_not_read_is_compared_with_an_earlier_backup() -> None:
    """What a partial backup has of it is not trusted: it broke off. A kind that both did not read stays unread."""
    unread = (Skip(subject="configmaps", reason="x"), Skip(subject="*.gone.io", reason="y"))
    older = manifest(entry("half"), entry("s", kind="Secret"), not_read=unread)
    whole = filled(older, manifest(entry("half"), entry("app"), not_read=unread[1:]))
    assert [one.name for one in whole.entries] == ["s", "half", "app"]
    assert whole.not_read == unread[1:]


def test_differences_are_unified() -> None:
    """With a few lines around; a long file has none."""
    diff, note = to_diff(b"a: 1\nb: 2\n", b"a: 1\nb: 3\n", "x.yaml")
    assert (diff, note) == ("--- a/x.yaml\n+++ b/x.yaml\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n+b: 3\n", "")
    applied = (
        b"metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {}\n    mine: a\n"
    )
    diff, _ = to_diff(applied, applied.replace(b"{}", b'{"a":1}').replace(b"mine: a", b"mine: b"), "x.yaml")
    assert diff.endswith(" metadata:\n   annotations:\n-    mine: a\n+    mine: b\n")
    long = b"a\n" * (MOST_LINES + 1)
    assert to_diff(long, b"", "x") == ("", f"too long to compare: {MOST_LINES + 1} and 0 lines")


def test_values_are_shown_as_digests_that_nobody_can_guess() -> None:
    """They depend on a salt that is nowhere stored."""
    old, new = {"data": {"a": "secret", "b": "same"}}, {"data": {"a": "other", "b": "same"}, "stringData": {"c": "new"}}
    note = values_note(old, new, SALT)
    assert "secret" not in note
    assert note.startswith("values changed: a: ")
    assert "; c: none -> " in note.replace(", c:", "; c:")
    assert values_note(old, new, b"other") != note
    assert values_note(old, old, SALT) == "its values are the same"
    assert "they are encrypted" in values_note(None, new, SALT)


def change(name: str, diff: str = "") -> Change:
    """Of a ConfigMap."""
    return Change(
        action="changed", kind="ConfigMap", group="", namespace="shop", name=name, by="ada", diff=diff, note="n"
    )


def test_reports_are_bounded() -> None:
    """Each difference, and their number."""
    assert in_words([change("a")]) == ("changed: ConfigMap/shop/a, by ada (n)",)
    many = [change(f"c{number}") for number in range(SHOWN + 2)]
    assert len(in_words(many)) == SHOWN + 1
    assert in_words(many)[-1] == "and 2 more changes"
    text = to_text([change("a", "1\n2\n3\n")], most=2)
    assert text == "# changed: ConfigMap/shop/a, by ada (n)\n1\n2\n... 1 more lines\n"
    quiet = change("a").model_copy(update={"by": "", "note": ""})
    assert to_text([quiet]) == "# changed: ConfigMap/shop/a\n"
    assert in_words([quiet]) == ("changed: ConfigMap/shop/a",)


DAY = timedelta(days=1)


def test_a_pack_goes_only_after_the_grace_time() -> None:
    """Marked first; used again, the mark is gone; a mark of the future counts as new."""
    marks = {"old": NOON - DAY, "young": NOON - DAY / 2, "used": NOON - 9 * DAY, "odd": NOON + DAY, "gone": NOON}
    found = unused_packs(["old", "young", "used", "odd", "new"], ["used"], marks, now=NOON, grace=DAY)
    assert found.delete == ("old",)
    assert found.marks == {"new": NOON, "odd": NOON, "young": NOON - DAY / 2}


NAMES = st.frozensets(st.sampled_from("abcdef"))


@given(NAMES, NAMES, st.dictionaries(st.sampled_from("abcdef"), st.integers(-5, 5)))
def test_a_pack_in_use_is_never_deleted(stored: frozenset[str], used: frozenset[str], days: dict[str, int]) -> None:
    """Whatever the marks are; and nothing is deleted that had no mark."""
    marks = {name: NOON + day * DAY for name, day in days.items()}
    found = unused_packs(stored, used, marks, now=NOON, grace=DAY)
    assert not set(found.delete) & used
    assert set(found.delete) <= set(marks) & stored
    assert set(found.marks) | set(found.delete) == stored - used


def test_a_backup_whose_pack_is_lost_is_named() -> None:
    """Also if the pack has another size."""
    packs = (Pack(name="p1", size=10, files=3), Pack(name="p2", size=20, files=1))
    whole = manifest(packs=packs[:1])
    broken = manifest(packs=packs).model_copy(update={"id": "older"})
    assert broken_backups([whole, broken], {"p1": 10, "p2": 20}) == ()
    (found,) = broken_backups([whole, broken], {"p1": 10, "p2": 19})
    assert (found.subject, found.reason) == (
        "older",
        "the bucket does not have 1 pack with up to 1 file as written: p2",
    )
