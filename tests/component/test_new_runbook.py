"""`make new-runbook`: what it writes is lint-clean, refuses every run, and has one failing test that says what to do first."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.new_runbook import main
from tests.servers.binaries import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, as git has it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place)
    return tmp_path


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A module of the environment, on that copy."""
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_new_runbook_is_lint_clean_and_says_what_to_write_first(copy: Path) -> None:
    """Ruff and the contracts are content; its test is not, and names the file."""
    assert main(["pod_count"], root=copy) == 0
    new = [str(path) for path in (copy / "tasks/pod_count", copy / "flows/pod_count.py", copy / "tests/unit/pod_count")]
    python(copy, "ruff", "check", "--fix", "-q", *new)
    python(copy, "ruff", "format", "-q", *new)
    checked = python(copy, "ruff", "check", *new)
    assert checked.returncode == 0, checked.stdout
    contracts = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert contracts.returncode == 0, contracts.stdout
    tested = python(
        copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/pod_count", "tests/unit/test_prefect_yaml.py"
    )
    assert "1 failed" in tested.stdout
    assert "decide first: tasks/pod_count/policy/plan.py" in tested.stdout
    assert "pod-count" in (copy / "prefect.yaml").read_text()
    assert "sample" not in "".join(path.read_text().lower() for path in (copy / "tasks/pod_count").rglob("*.py"))


@pytest.mark.parametrize("name", ["", "PodCount", "count", "pod-count", "../pod_count", "node_drain", "ca_rotation"])
def test_a_name_that_is_none_or_taken_is_refused_before_anything_is_written(
    copy: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the reason is told."""
    before = sorted(copy.rglob("*"))
    assert main([name], root=copy) == 2
    assert f"NAME={name}: " in capsys.readouterr().err
    assert sorted(copy.rglob("*")) == before
