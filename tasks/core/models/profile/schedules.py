"""Defines when runbooks start on a schedule."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, StringConstraints

from tasks.core.models.base import Model, TimeZone
from tasks.core.models.profile.words import Name

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)

FIELDS = 5
"""This is the number of fields in a crontab line: minute, hour, day of the month, month, day of the week."""


def _is_cron(text: str) -> str:
    if len(text.split()) != FIELDS:
        message = 'write five fields, minute hour day month weekday, for example "17 * * * *"'
        raise ValueError(message)
    try:
        CronSim(text, _ANY_TIME)
    except CronSimError as error:
        message = f'{error}; write minute hour day month weekday, for example "17 * * * *"'
        raise ValueError(message) from None
    return text


Cron = Annotated[str, AfterValidator(_is_cron)]
"""This is a schedule of five fields, as in a crontab."""

RunbookName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
"""This is the name of a runbook in the command `kube-runbooks`, for example `etcd-backup`."""


class Schedule(Model):
    """This is one time or several at which a runbook starts automatically, with its parameters."""

    name: Name = Field(description="of this schedule; one that is paused in Prefect stays so while its name stays")
    cron: Cron = Field(description='minute, hour, day, month and weekday, for example "17 * * * *"')
    time_zone: TimeZone = Field(default="UTC", description="whose clocks are meant, for example Europe/Berlin")
    parameters: dict[str, Any] = Field(default={}, description="of the runbook, for example {drill: true}")

    def __hash__(self) -> int:
        """Returns a hash of the schedule's values.

        Its parameters are a dictionary, which has no hash of its own.
        """
        return hash((self.name, self.cron, self.time_zone, json.dumps(self.parameters, sort_keys=True, default=str)))
