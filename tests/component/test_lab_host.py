"""What a machine lacks for a lab is said precisely, before anything is made."""

import os
import subprocess
import sys

from tests.servers.binaries import ROOT

NOBODY = 65534

LAB_UP = f"""
import os, sys
from tests.lab.__main__ import main
os.getuid() or os.setuid({NOBODY})
sys.exit(main(["up", "--name", "never"]))
"""


def test_a_lab_that_cannot_be_says_each_thing_that_is_missing() -> None:
    """Root, programs with the packages that have them; all at once, and no trace of an attempt."""
    done = subprocess.run(
        [sys.executable, "-c", LAB_UP],
        cwd=ROOT,
        env=os.environ | {"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    first, root, programs, *_ = done.stderr.splitlines()
    assert first == "a lab cannot be started here:"
    assert root == "- a lab needs root: namespaces, mounts and control groups are made"
    assert programs.startswith("- not here: systemd-nspawn, mmdebstrap, ")
    assert "apt-get install --no-install-recommends " in programs
    assert {"systemd-container", "mmdebstrap", "skopeo"} <= set(programs.split())
