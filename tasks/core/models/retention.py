"""Defines how long backups are kept: the rules, and the decision with its reasons."""

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.plan import Skip

MOST = 100_000
"""Limits how many backups a rule may keep: eleven years with one each hour."""


def _is_a_count(number: int) -> int:
    if not 0 <= number <= MOST:
        message = f"{number} is not a number of backups; write 0 (no such rule) to {MOST}"
        raise ValueError(message)
    return number


# The bounds stand in the schema too, for the form; as constraints of pydantic they would hide the value in the error.
Count = Annotated[int, AfterValidator(_is_a_count), Field(json_schema_extra={"minimum": 0, "maximum": MOST})]


class Retention(Model):
    """These rules use restic's terms; a backup is kept if any of them requires it."""

    COVERED: ClassVar[Reasons] = {"last hourly daily weekly monthly yearly within": "which backups are deleted"}

    last: Count = Field(default=0, description="keep the newest N backups")
    hourly: Count = Field(default=0, description="keep the newest backup of each of the last N hours that have one")
    daily: Count = Field(default=0, description="keep the newest backup of each of the last N days that have one")
    weekly: Count = Field(default=0, description="keep the newest backup of each of the last N ISO weeks that have one")
    monthly: Count = Field(default=0, description="keep the newest backup of each of the last N months that have one")
    yearly: Count = Field(default=0, description="keep the newest backup of each of the last N years that have one")
    within: Duration = Field(
        default=timedelta(0), ge=timedelta(0), description="keep everything younger than this, for example 48h or 30d"
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if not any((self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly, self.within)):
            message = (
                "keeps nothing: give at least one of last, hourly, daily, weekly, monthly, yearly, "
                "within a value above 0"
            )
            raise ValueError(message)
        return self


class StoredBackup(Model):
    """This is a backup as retention sees it."""

    id: str
    taken_at: UtcTime
    verified: bool
    locked_until: UtcTime | None = Field(
        default=None, description="Object Lock retention or, far in the future, a legal hold"
    )
    lock_unknown: str = Field(default="", description="why the store does not tell whether it is locked")


class Kept(Model):
    """This is a backup that stays, with every rule that requires it."""

    id: str
    reasons: tuple[str, ...] = Field(min_length=1)


class Removed(Model):
    """This is a backup that no rule requires any more."""

    id: str
    reason: str


class RetentionDecision(Model):
    """This decision lists what stays and what is removed, newest first, each with its reasons."""

    kept: tuple[Kept, ...]
    removed: tuple[Removed, ...]
    left: tuple[Skip, ...] = Field(
        default=(), description="data of removed backups that the store did not delete, by object key, and its reason"
    )
