"""Builds the commands by which a person repeats or resumes a run."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

from prefect.client.schemas.objects import FlowRun

from tasks.core.commands import same_command


class Again(NamedTuple):
    """Holds the commands of one run."""

    command: str
    """It starts a run with the same parameters. The text that shows it adds the mode."""
    resume: str
    """It resumes the run. Prefect retries only a run of a deployment, because it has nothing to run another one with."""

    @classmethod
    def of(cls, flow: Callable[..., object], parameters: Mapping[str, Any], run: FlowRun) -> Self:
        """Returns the commands of a run of this flow, with the parameters that the flow works with."""
        if run.deployment_id is not None:
            return cls(same_command(flow, parameters, verb="start"), f"prefect flow-run retry {run.id}")
        return cls(same_command(flow, parameters), same_command(flow, parameters, without=()))
