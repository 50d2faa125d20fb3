"""The commands of a report that a person runs to take an old volume back."""

import os
import subprocess
from pathlib import Path

from tasks.core.models.report import Report
from tests.servers.kubernetes import ControlPlane


def take_back(report: Report, cluster: ControlPlane, config: Path) -> None:
    """Runs the command of the report, as the administrator of the cluster."""
    (line,) = [one for one in report.summary if one.startswith("to go back to it")]
    config.touch(mode=0o600)
    config.write_text(cluster.kubeconfig())
    environment = os.environ | {"KUBECONFIG": str(config), "PATH": f"{cluster.binaries}:{os.environ['PATH']}"}
    command = ["bash", "-ec", line.partition(": ")[2]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
