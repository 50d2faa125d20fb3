"""A container runtime that is a program: it runs a command on this machine, as a container runtime runs it in a container."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tasks.clients.ssh import login
from tests.servers.site import Site
from tests.servers.sshd import Sshd

CRICTL = """\
#!/bin/sh
echo "$*" >> FOLDER/calls
case "$*" in
  "ps "*)
    [ -e FOLDER/gone ] || { while [ $# -gt 1 ]; do shift; done; echo "$1"; }
    ;;
  *" exec "*)
    while [ "$1" != exec ]; do shift; done
    shift 5
    exec "$@"
    ;;
esac
"""
"""Finds any container, and runs the words after its id."""


def give_runtime(
    site: Site,
    sshd: Sshd,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: Mapping[str, str] = {},
) -> None:
    """The workers of a site have it before all other programs, and whatever else is given. FOLDER in a program is the folder."""
    for name, text in {"crictl": CRICTL, **more}.items():
        file = folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("FOLDER", str(folder)))
        file.chmod(0o755)
    monkeypatch.setattr(login, "PATH", f"{folder / 'bin'}:{login.PATH}")
    site.through(sshd)
    site.profile["nodes"] += [{"name": name, "address": "127.0.0.1", "port": sshd.port} for name in ("w1", "w2")]
