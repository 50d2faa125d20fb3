"""A node's own etcdctl and etcdutl are found by their minor version; others are as good as none."""

import os
import subprocess

from tasks.backup.scripts.etcd_tools import NO_TOOLS, find_tools
from tests.servers.binaries import etcd_binaries


def find(minor: str) -> tuple[int, str]:
    """Status and output of the search on this machine, which runs no member."""
    path = f"{etcd_binaries()}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", find_tools(minor, "")], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_programs_of_the_members_minor_version_are_found_on_path() -> None:
    """Real ones."""
    assert find("3.6") == (0, f"{etcd_binaries()}\n")


def test_programs_of_another_minor_version_are_none() -> None:
    """They would write data that the member does not read, or refuse its snapshot."""
    assert find("3.5") == find("3.60") == (NO_TOOLS, "")
