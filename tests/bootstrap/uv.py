"""Finds uv or brings it, and runs it: `python3 tests/bootstrap/uv.py ARGUMENTS`; without arguments prints its path.

Runs before the environment exists: standard library only, and the Python of any supported Debian or Ubuntu.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from tests.bootstrap import debian
else:  # run as a file, whose folder Python puts on its path
    import debian

VERSION = "0.13.9"
"""What is brought where there is none."""

OLDEST = (0, 9)
"""Older ones do not read our lock file."""


def ensure() -> Path:
    """The path of a uv that works; SystemExit with the reasons where none can be had."""
    found = shutil.which("uv")
    if found and _version(found) >= OLDEST:
        return Path(found)
    home = debian.CACHE / f"uv-{VERSION}"
    program = home / "bin" / "uv"
    if not program.exists():
        _bring(home)
    return program


def _version(program: str) -> tuple[int, ...]:
    """Of a uv on PATH; (0,) for one that does not run, such as a version manager's empty shim."""
    try:
        said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    match = re.match(r"uv (\d+)\.(\d+)", said.stdout.decode())
    return tuple(int(number) for number in match.groups()) if match else (0,)


def _bring(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    print(f"bringing uv {VERSION} to {home}", file=sys.stderr)
    reasons = []
    for pip in (_pip_of_venv, _pip_of_distribution):
        with tempfile.TemporaryDirectory(dir=str(home.parent), prefix=".uv-") as temporary:
            made = Path(temporary) / "made"
            try:
                command = pip(Path(temporary) / "pip")
                _run([*command, "install", "--quiet", "--no-deps", "--target", str(made), f"uv=={VERSION}"])
                _publish(made, home)
            except (OSError, subprocess.CalledProcessError, debian.UnpackError) as error:
                reasons.append(f"- {pip.__doc__} {_said(error)}")
            else:
                return
    raise SystemExit("\n".join([f"uv {VERSION} is needed and cannot be brought; tried:", *reasons]))


def _pip_of_venv(folder: Path) -> list[str]:
    """A virtual environment's pip:"""  # noqa: D415 - begins a line of the error
    _run([sys.executable, "-m", "venv", str(folder)])
    return [str(folder / "bin" / "python"), "-m", "pip"]


def _pip_of_distribution(_: Path) -> list[str]:
    """The pip of Debian's or Ubuntu's own package, run from its wheel:"""  # noqa: D415 - as above
    wheels = debian.unpack(["python3-pip-whl"], debian.CACHE / "pip") / "usr" / "share" / "python-wheels"
    wheel = next(wheels.glob("pip-*.whl"))
    return [sys.executable, str(wheel / "pip")]


def _publish(made: Path, home: Path) -> None:
    """The first of two processes wins."""
    try:
        made.rename(home)
    except OSError:
        if not (home / "bin" / "uv").exists():
            raise


def _run(command: list[str]) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error} {(error.stdout + error.stderr).decode(errors='replace').strip()}"
    return str(error)


if __name__ == "__main__":
    uv = ensure()
    if len(sys.argv) > 1:
        # Behind a company's proxy the certificates are those of the system; the second name is an older uv's.
        for variable in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):
            os.environ.setdefault(variable, "true")
        os.execv(uv, [str(uv), *sys.argv[1:]])  # noqa: S606 - a list without a shell
    print(uv)
