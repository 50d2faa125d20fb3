"""Turns the deployments of `prefect.yaml` into those of a cluster.

Only `prefect.yaml` holds what it says about each runbook.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tasks.core.commands import command_of

if TYPE_CHECKING:
    from tasks.core.models.profile import ClusterProfile

_HERE = Path(__file__).parent
PROJECT = next(file for file in (_HERE / "prefect.yaml", _HERE.parent / "prefect.yaml") if file.is_file())
"""Points to `prefect.yaml`. In a wheel it is beside this file, in a clone in the folder above."""

TAG = "kube-runbooks"
"""This is the tag of each deployment that `kube-runbooks deploy` creates."""


class Timed(NamedTuple):
    """Describes a schedule of a deployment."""

    name: str
    cron: str
    time_zone: str
    parameters: Mapping[str, Any]
    starts_off: bool
    """True if the schedule is off when it is created. An existing schedule keeps the state that people gave it."""

    @property
    def in_words(self) -> str:
        """Describes the schedule, as in `hourly 17 * * * * UTC`."""
        return f"{self.name} {self.cron} {self.time_zone}" + (" (off at first)" if self.starts_off else "")


class Definition(NamedTuple):
    """Describes the deployment of one runbook for one cluster."""

    flow: str
    cluster: str
    description: str
    tags: tuple[str, ...]
    pool: str
    job_variables: Mapping[str, Any]
    schedules: tuple[Timed, ...]
    limit: Mapping[str, Any] | None

    @property
    def command(self) -> str:
        """Returns the name of the runbook in the command line."""
        return command_of(self.flow)

    @property
    def name(self) -> str:
        """Returns the name that Prefect uses: flow and deployment."""
        return f"{self.flow}/{self.cluster}"

    @property
    def parameters(self) -> dict[str, Any]:
        """Returns the parameters of each run."""
        return {"cluster": self.cluster}


def definitions_of(profile: "ClusterProfile") -> tuple[Definition, ...]:
    """Returns one definition for each runbook, with the schedules of the profile.

    A runbook that the profile does not schedule keeps the schedules of `prefect.yaml`.
    """
    raw = yaml.safe_load(PROJECT.read_text())
    return tuple(_definition(entry, profile) for entry in raw["deployments"])


def pool_of_project() -> str:
    """Returns the work pool of the deployments."""
    raw = yaml.safe_load(PROJECT.read_text())
    return str(raw["deployments"][0]["work_pool"]["name"])


def _definition(entry: Mapping[str, Any], profile: "ClusterProfile") -> Definition:
    flow = str(entry["entrypoint"]).rpartition(".")[2]
    pool = entry["work_pool"]
    return Definition(
        flow=flow,
        cluster=profile.name,
        description=str(entry["description"]),
        tags=(TAG, f"cluster:{profile.name}", *entry["tags"]),
        pool=str(pool["name"]),
        job_variables=pool["job_variables"],
        schedules=_schedules(entry, profile),
        limit=entry.get("concurrency_limit"),
    )


def _schedules(entry: Mapping[str, Any], profile: "ClusterProfile") -> tuple[Timed, ...]:
    own = profile.schedules.get(command_of(str(entry["entrypoint"]).rpartition(".")[2]))
    if own is not None:
        return tuple(Timed(one.name, one.cron, one.time_zone, one.parameters, starts_off=False) for one in own)
    return tuple(
        Timed(
            name=str(one["slug"]),
            cron=str(one["cron"]),
            time_zone=str(one["timezone"]),
            parameters=one.get("parameters", {}),
            starts_off=not one.get("active", True),
        )
        for one in entry["schedules"]
    )
