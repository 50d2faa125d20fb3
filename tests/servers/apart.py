"""A run in a process of its own, with what it says: for a test that acts meanwhile, or kills it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.servers.binaries import ROOT
from tests.servers.prefect_server import PrefectServer
from tests.servers.site import Site


@contextmanager
def run_apart(
    site: Site,
    server: PrefectServer,
    runbook: str,
    **parameters: Any,  # noqa: ANN401 - any JSON
) -> Iterator[subprocess.Popen[str]]:
    """The flow on that site; its output has all that it logs."""
    words = [sys.executable, "-m", "tests.servers.runner", runbook, json.dumps({"cluster": site.name, **parameters})]
    environment = os.environ | site.environment | {"PREFECT_API_URL": server.api_url}
    with subprocess.Popen(
        words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        yield run


def says(run: subprocess.Popen[str], words: str) -> str:
    """Its next line with these words. It fails if the run ends without it."""
    assert run.stdout
    said = []
    for line in run.stdout:
        if words in line:
            return line
        said.append(line)
    message = f"it never said {words!r}: {''.join(said)}"
    raise AssertionError(message)
