"""A node that is a folder: scripts run for real in it, with programs of the test beside the shell's own tools."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

TOOLS = [
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "chmod",
    "cmp",
    "cp",
    "cut",
    "date",
    "df",
    "diff",
    "dirname",
    "du",
    "env",
    "find",
    "grep",
    "head",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "readlink",
    "rm",
    "sed",
    "seq",
    "sh",
    "sort",
    "stat",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "wc",
]
"""All that a script finds, apart from what a test puts there."""

OF_NODE = re.compile(r"(?<![\w.}*/])/(etc|var/lib|var/log)\b")


class NodeFolder:
    """Its `/etc`, `/var/lib` and `/var/log` lie in a folder; each call of a program of the test is written down."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._bin, self._log, self._end = folder / "bin", folder / "calls", folder / "end"
        self.variables = {"PATH": str(self._bin), "LC_ALL": "C"}
        for made in (self.root / "etc", self.root / "var/lib", self.root / "var/log", self._bin):
            made.mkdir(parents=True)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"there is no {tool}"
            (self._bin / tool).symlink_to(found)

    def file(self, path: str, text: str = "") -> Path:
        """Writes a file of the node."""
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def program(self, name: str, body: str = "") -> None:
        """Makes a program; `$ROOT` is the folder."""
        head = f"""#!/bin/sh
ROOT={self.root}
echo "{name} $*" >> {self._log}
case "$(cat {self._end})" in
  "cut $(wc -l < {self._log})") kill -9 0 ;;
  "fail $(wc -l < {self._log})") exit 9 ;;
esac
"""
        file = self._bin / name
        file.unlink(missing_ok=True)  # it may be a link to the machine's own
        file.write_text(head + body + "\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def run(self, script: str, *, stdin: bytes = b"", cut: int = 0, fail: int = 0) -> subprocess.CompletedProcess[str]:
        """A script. At the call of number `cut` it is killed with all of its processes; the one of number `fail` ends with 9."""
        self._log.write_text("")
        self._end.write_text(f"cut {cut}" if cut else f"fail {fail}")
        text = OF_NODE.sub(lambda found: f"{self.root}{found[0]}", script)
        return subprocess.run(
            ["sh", "-c", text],
            input=stdin.decode(),
            capture_output=True,
            check=False,
            env=self.variables,
            text=True,
            start_new_session=True,
        )

    @property
    def calls(self) -> list[str]:
        """Programs of the test that the last run called, with their words; settings of apt left out."""
        return [re.sub(r" -o \S*::\S+", "", line) for line in self._log.read_text().splitlines()]
