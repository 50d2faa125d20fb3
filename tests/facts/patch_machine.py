"""A machine in a folder: scripts of a patch run in a real shell there, with small package managers of our own."""

import json
import os
import subprocess
from pathlib import Path

from tasks.core.models.folders import PATCHES


def inhibitors(*found: tuple[str, str, str, str, int, int]) -> str:
    """What logind says, as `busctl --json=short` prints it: what, who, why, mode, uid and pid of each."""
    return json.dumps({"type": "a(ssssuu)", "data": [found]})


_DPKG = """#!/bin/sh
case "$*" in
  --print-architecture) echo amd64 ;;
  *--configure*)
    echo "dpkg $*" >> ROOT/calls
    [ ! -e ROOT/dpkg-fails ] || exit 1
    : > ROOT/broken
    ;;
esac
"""
_DPKG_QUERY = """#!/bin/sh
format=$3
shift 3
case $format in
  *Architecture*) sed 's/^\\([^ ]*\\) \\(.*\\)/ii  \\1 all \\2/' ROOT/installed ;;
  *Version*)
    for name in "$@"; do
      sed -n "s/^\\($name .*\\)/package \\1 ii /p" ROOT/installed
    done
    ;;
  *) sed 's/^/iF |/' ROOT/broken ;;
esac
"""
_APT_GET = """#!/bin/sh
echo "apt-get $DEBIAN_FRONTEND $NEEDRESTART_SUSPEND $*" >> ROOT/calls
[ ! -e ROOT/apt-says ] || {
  cat ROOT/apt-says
  exit 100
}
case "$*" in
  *--download-only*) ;;
  *--simulate*)
    cat ROOT/offered | while read -r name version; do
      ! grep -qx "$name $version" ROOT/installed || continue
      before=$(sed -n "s/^$name //p" ROOT/installed)
      echo "Inst $name ${before:+[$before] }($version Debian-Security:12/stable-security [all])"
    done
    ;;
  *upgrade*)
    for word; do
      case "$word" in DPkg::Pre-Invoke::=*) sh -c "${word#*::=}" ;; esac
    done
    while read -r name version; do
      sed -i "/^$name /d" ROOT/installed
      echo "$name $version" >> ROOT/installed
      [ ! -e ROOT/cut ] || {
        rm ROOT/cut
        kill -9 "$(cat ROOT/pid)" $PPID
        exit 1
      }
    done < ROOT/offered
    ;;
esac
"""
_OTHERS = """#!/bin/sh
echo "NAME $*" >> ROOT/calls
cat "ROOT/NAME-says" 2> /dev/null
[ ! -e "ROOT/NAME-ends" ] || exit "$(cat "ROOT/NAME-ends")"
"""
_GUARDED = ("mv", "rm", "sync", "mkdir", "tee", "sort", "comm")
_TOOLS = (
    *(
        "awk",
        "base64",
        "cat",
        "comm",
        "cp",
        "cut",
        "dirname",
        "find",
        "grep",
        "head",
        "id",
        "mkdir",
        "mv",
        "rm",
        "sed",
        "sh",
    ),
    *("sort", "stat", "sync", "tail", "tee", "timeout", "tr", "true", "uname", "uptime"),
)


class ShellMachine:
    """With packages `b 1` and `kubelet 1`, and `b 2` and a new `a 1` to be had."""

    def __init__(self, root: Path, *, manager: str = "apt") -> None:
        self.root, self.patches, self._bin = root, root / "patch", root / "bin"
        self._bin.mkdir()
        for name in _TOOLS:
            found = next(path for path in ("/usr/bin", "/bin") if os.access(f"{path}/{name}", os.X_OK))
            (self._bin / name).symlink_to(f"{found}/{name}")
        self.write("installed", "b 1\nkubelet 1\n")
        self.write("offered", "a 1\nb 2\n")
        self.write("broken", "")
        self.write("calls", "")
        if manager == "apt":
            for name, text in (("dpkg", _DPKG), ("dpkg-query", _DPKG_QUERY), ("apt-get", _APT_GET)):
                self._program(name, text)
            self._program("apt-mark", _OTHERS)
            self._program("apt-config", _OTHERS)
        else:
            self._program(manager, _OTHERS)
            self._program("rpm", _OTHERS)
        for name in ("systemctl", "systemd-run", "busctl", "timedatectl", "journalctl"):
            self._program(name, _OTHERS)
        self.write("busctl-says", inhibitors())
        (root / "var/lib/dpkg/updates").mkdir(parents=True)
        (root / "var/lib/apt/lists").mkdir(parents=True)
        (root / "boot").mkdir()

    def write(self, name: str, text: str) -> None:
        """A file of it; NAME-says is what a program prints, NAME-ends its status; with `cut` apt dies, and its job, after one package."""
        (self.root / name).write_text(text)

    def read(self, name: str) -> str:
        """A file of it."""
        return (self.root / name).read_text()

    def noted(self) -> dict[str, str]:
        """What a run has written down there."""
        names = ("intent", "patched", "before", "last")
        return {name: (self.patches / name).read_text() for name in names if (self.patches / name).exists()}

    def installed(self) -> set[str]:
        """`name version` of all packages."""
        return set(self.read("installed").splitlines())

    def shell(self, script: str, stdin: bytes = b"", *, commands: int = 0) -> subprocess.CompletedProcess[bytes]:
        """With `commands` it dies right before its n-th command that changes anything."""
        count = self.root / "count"
        count.write_text("0")
        guard = f"echo $$ > {self.root}/pid\n"
        guard += f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -ne {commands} ] || kill -9 $$; }}\n"
        for program in _GUARDED:
            guard += f'{program}() {{ n; command {program} "$@"; }}\n'
        text = script.replace(PATCHES, str(self.patches))
        for folder in ("/var/lib/apt/", "/var/lib/dpkg", "/boot/", "/etc/apt/", "/run/"):
            text = text.replace(folder, f"{self.root}{folder}")
        environment = {"PATH": str(self._bin), "LC_ALL": "C"}
        return subprocess.run(
            ["/bin/sh", "-c", guard + text], input=stdin, capture_output=True, check=False, env=environment
        )

    def insert(self, program: str, line: str) -> None:
        """A line of shell at the beginning of a program."""
        path = self._bin / program
        path.write_text(path.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{line}\n"))

    def insert_program(self, name: str) -> None:
        """One that says NAME-says and ends with NAME-ends."""
        self._program(name, _OTHERS)

    def _program(self, name: str, text: str) -> None:
        path = self._bin / name
        path.unlink(missing_ok=True)  # it may be a link to the machine's own
        path.write_text(text.replace("ROOT", str(self.root)).replace("NAME", name))
        path.chmod(0o755)
