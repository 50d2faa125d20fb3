"""Which files of an earlier reading are used again."""

from tasks.resources.models import Pack
from tasks.resources.take import Previous, previous_of
from tests.facts.resources import entry, kind, manifest

PACK = Pack(name="p1", size=100, files=2)
HEAD = {"name": "app", "uid": "uid-app", "resourceVersion": "7"}
SECRET = {"name": "login", "uid": "uid-login", "resourceVersion": "7"}
SECRETS = kind("Secret", "secrets")


def previous(*, rules: str = "r", recipients: tuple[str, ...] = (), size: int = 100, files: int = 2) -> Previous:
    """Of a backup of a ConfigMap and a Secret in one pack."""
    secret = entry("login", "Secret", sealed="p1")
    made = manifest(entry(), secret, packs=(PACK.model_copy(update={"files": files}),))
    return previous_of(made, {"p1": size}, rules, recipients)


def test_an_object_that_nobody_wrote_keeps_its_file() -> None:
    """By its uid, its resourceVersion, its kind and its name."""
    found = previous()
    assert found.same(kind(), HEAD) == entry()
    assert found.same(SECRETS, SECRET) is not None
    assert found.same(kind(), HEAD | {"resourceVersion": "8"}) is None
    assert found.of(kind(), HEAD | {"resourceVersion": "8"}) == entry()
    assert found.same(kind(), HEAD | {"uid": "other"}) is None
    assert found.same(kind()._replace(version="v2"), HEAD) is None
    assert previous_of(None, {}, "r", ()) == Previous()


def test_a_file_by_other_rules_or_in_no_whole_pack_is_not_used() -> None:
    """A pack of another size, one that is mostly unused, other rules; for Secrets also other recipients."""
    assert previous(size=99).same(kind(), HEAD) is None
    assert previous(files=7).same(kind(), HEAD) is None
    assert previous(rules="other").same(kind(), HEAD) is None
    assert previous(recipients=("age1",)).same(SECRETS, SECRET) is None
    assert previous(recipients=("age1",)).same(kind(), HEAD) is not None


def test_a_second_reading_uses_the_files_of_the_first_alone_if_the_rules_changed() -> None:
    """What the first one did not reach is written by the new rules, too."""
    new = entry("new", pack="p2")
    found = previous(rules="other")
    found.remember([new], {"p2": PACK.model_copy(update={"name": "p2"})})
    assert found.same(kind(), HEAD) is None
    assert found.same(kind(), HEAD | {"name": "new", "uid": "uid-new"}) == new
    sealed = previous(recipients=("age1",))
    sealed.remember([], {})
    assert sealed.same(SECRETS, SECRET) is None
    assert sealed.same(kind(), HEAD) is not None
    same = previous()
    same.remember([], {})
    assert same.same(SECRETS, SECRET) is not None
