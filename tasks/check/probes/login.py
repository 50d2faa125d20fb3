"""Queries a login on a node: its user, and its shell."""

from tasks.core.errors import NotYet
from tasks.core.models.base import Model
from tasks.core.probes.printed import Printed
from tasks.core.shell import script


class Login(Model):
    """This is the user who runs commands on a node."""

    uid: int
    user: str
    shell: str


def look_at_login() -> str:
    """Returns the script that queries the login."""
    return script(__file__, "look_at_login")


def parse_login(node: str, stdout: bytes) -> Login:
    """Parses the answer; raises `NotYet` if the answer does not say who the user is."""
    told = Printed.of(stdout)
    uid, user, shell = (next(iter(told.all(kind)), "") for kind in ("uid", "user", "shell"))
    if not uid.isdigit():
        printed = stdout.decode(errors="replace").strip()
        raise NotYet(
            f"{node}: `id -u` does not say who runs commands there: {printed!r}", hint=f"run `id -u` on {node}"
        )
    return Login(uid=int(uid), user=user, shell=shell or "a shell that the user database does not name")
