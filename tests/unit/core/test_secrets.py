"""Secret references: resolved from a file or the environment, or refused with the fix."""

from pathlib import Path

import pytest

from tasks.core.errors import Refused
from tasks.core.redaction import redact
from tasks.core.secrets import resolve_public, resolve_secret


def test_a_secret_comes_from_a_private_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is masked from then on."""
    file = tmp_path / "key"
    file.write_text("from-the-file\n")
    file.chmod(0o600)
    monkeypatch.setenv("THE_SECRET", "from-the-environment")
    assert resolve_secret(f"file:{file}", "ssh.key") == "from-the-file\n"
    assert resolve_secret("env:THE_SECRET", "store.secret_key") == "from-the-environment"
    assert redact("got from-the-file and from-the-environment") == "got *** and ***"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601])
def test_a_secret_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """With the mode, and the command that mends it; a certificate may be public."""
    file = tmp_path / "key"
    file.write_text("something secret")
    file.chmod(mode)
    with pytest.raises(Refused, match=rf"ssh.key: {file} is open to every user \(mode {mode:04o}\) -> chmod o= {file}"):
        resolve_secret(f"file:{file}", "ssh.key")
    assert resolve_public(f"file:{file}", "etcd.client.ca") == "something secret"


def test_a_group_may_read_it(tmp_path: Path) -> None:
    """A Kubernetes Secret volume with an fsGroup has mode 0440."""
    file = tmp_path / "key"
    file.write_text("something secret")
    file.chmod(0o440)
    assert resolve_secret(f"file:{file}", "ssh.key") == "something secret"


def test_what_is_missing_unreadable_or_empty_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the profile's field, the place and what to do."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "binary").chmod(0o600)
    monkeypatch.delenv("NOT_THERE", raising=False)
    for reference, told in (
        (f"file:{tmp_path}/nothing", "does not exist -> correct the path"),
        (f"file:{tmp_path}", "cannot be read: Is a directory -> make it readable"),
        (f"file:{tmp_path}/empty", "is empty -> put the content there"),
        (f"file:{tmp_path}/binary", "is not text -> give a PEM or text file"),
        ("env:NOT_THERE", "the environment variable NOT_THERE is not set -> set it for the worker"),
    ):
        with pytest.raises(Refused, match=told) as refused:
            resolve_secret(reference, "ssh.key")
        assert str(refused.value).startswith("ssh.key: ")
