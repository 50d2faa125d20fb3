"""What a drill's programs are bound to: run by a shell here."""

import subprocess
from pathlib import Path

from tasks.backup.scripts import remove_at_end, until_stdin_ends
from tests.servers.processes import wait_until


def test_a_command_ends_with_its_standard_input_and_says_how_it_ended_itself(tmp_path: Path) -> None:
    """It has none of its own; what it prints comes through."""
    command = ["sh", "-c", until_stdin_ends(), "lifeline", "sh", "-c", "cat; echo begun; exit 7"]
    held = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert held.stdout
    assert held.stdout.read() == b"begun\n"
    assert held.wait(30) == 7
    pid = tmp_path / "pid"
    waits = [*command[:4], "sh", "-c", f"echo $$ > {pid}; mv {pid} {pid}.told; exec sleep 1000"]
    endless = subprocess.Popen(waits, stdin=subprocess.PIPE)
    told = tmp_path / "pid.told"
    wait_until(told.exists, 150, "the command runs")
    assert endless.stdin
    endless.stdin.close()
    assert endless.wait(30) == 128 + 9
    assert not Path(f"/proc/{told.read_text().strip()}").exists()


def test_a_folder_goes_with_the_standard_input(tmp_path: Path) -> None:
    """Whatever its name is; and stays before."""
    folder = tmp_path / "-it's here"
    (folder / "deep").mkdir(parents=True)
    guardian = subprocess.Popen(["sh", "-c", remove_at_end(), "guardian", str(folder)], stdin=subprocess.PIPE)
    assert folder.exists()
    assert guardian.stdin
    guardian.stdin.close()
    assert guardian.wait(30) == 0
    assert not folder.exists()
