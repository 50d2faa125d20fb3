"""sudo as some distributions have it now: written in Rust, with words and an exit status of its own. cargo builds it once.

Where cargo cannot, a stub stands for it that is named as one: sudo-rs' words where sudo is refused, and Debian's own sudo otherwise.
"""

import shutil
import sys
from pathlib import Path

from tests.servers import logins

ORIGINAL = "/usr/bin/sudo.debian"
STUB = f"""\
#!/bin/sh
# A stub, not sudo-rs: there was no cargo to build that one. Debian's sudo says whether; a refusal has sudo-rs' words.
{ORIGINAL} -n true 2> /dev/null && exec {ORIGINAL} "$@"
echo "sudo: interactive authentication is required" >&2
exit 1
"""


def put(root: Path, base: Path) -> None:
    """Into a machine's disk, in the place of its sudo."""
    folder = root / "usr/bin"
    folder.mkdir(parents=True, exist_ok=True)
    if program := logins.sudo_rs():
        shutil.copyfile(program, folder / "sudo")
    else:
        print("no sudo-rs here: a stub stands for it on the lab's machines", file=sys.stderr)
        original = root / ORIGINAL.removeprefix("/")
        shutil.copyfile(base / "usr/bin/sudo", original)
        original.chmod(0o4755)
        (folder / "sudo").write_text(STUB)
    (folder / "sudo").chmod(0o4755 if program else 0o755)
