"""The wheel: what runs from it is what runs from here, with every script of a node in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.shell import ROOT
from tasks.run.probes.lock import look_at_lock
from tasks.run.scripts import take_lock

UV = [sys.executable, str(ROOT / "tests" / "bootstrap" / "uv.py")]

FILL_IN = """
from tasks.core.shell import ROOT
from tasks.run.probes.lock import look_at_lock
from tasks.run.scripts import take_lock
print(ROOT, look_at_lock(), take_lock(), sep="\\0", end="")
"""


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What it prints."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel has, and nothing else: its dependencies are the environment's."""
    built, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    run([*UV, "build", "--quiet", "--wheel", "--out-dir", str(built), str(ROOT)], built)
    [wheel] = built.glob("*.whl")
    run([*UV, "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)], built)
    return folder


def test_the_wheel_has_every_script(installed: Path) -> None:
    """Byte for byte."""
    scripts = run(["git", "ls-files", "tasks/*.sh"], ROOT).split()
    assert "tasks/run/scripts/take_lock.sh" in scripts
    found = {str(file.relative_to(installed)): file.read_bytes() for file in installed.rglob("*.sh")}
    assert found == {name: (ROOT / name).read_bytes() for name in scripts}


def test_a_script_is_filled_in_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """In any folder, and from the files that were installed: what it sources is found there, too."""
    printed = run([sys.executable, "-P", "-c", FILL_IN], tmp_path, PYTHONPATH=str(installed))
    assert printed.split("\0") == [str(installed), look_at_lock(), take_lock()]


def test_the_wheel_has_the_deployments(installed: Path, tmp_path: Path) -> None:
    """`kube-runbooks deploy` reads them from there: prefect.yaml is said once."""
    ask = "from kube_runbooks.definitions import PROJECT, pool_of_project; print(PROJECT, pool_of_project())"
    printed = run([sys.executable, "-P", "-c", ask], tmp_path, PYTHONPATH=str(installed))
    assert printed.split() == [str(installed / "kube_runbooks" / "prefect.yaml"), "runbooks"]
    assert (installed / "kube_runbooks" / "prefect.yaml").read_bytes() == (ROOT / "prefect.yaml").read_bytes()
