"""A run in a process of its own: `python -m tests.servers.runner RUNBOOK PARAMETERS [before|after STEP]`.

With a step, it is killed there with SIGKILL, as by a worker's machine that dies: nothing of it gets to clean up.
"""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tasks.run.runbook import Run


def main(runbook: str, parameters: str, die: str = "") -> None:
    """Runs the flow against the Prefect server of the environment."""
    if die:
        _die_at(*die.split(" ", 1))
    flow = getattr(importlib.import_module(f"flows.{runbook}"), runbook)
    flow(**json.loads(parameters))


def _die_at(when: str, step: str) -> None:
    ordinary = Run.step

    def dying(run: Run, act: Callable[..., Any], *args: object, **kwargs: object) -> object:
        here = act.__name__.replace("_", " ") == step
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = ordinary(run, act, *args, **kwargs)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Run.step = dying  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main(*sys.argv[1:])
