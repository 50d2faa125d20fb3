"""Defines maintenance windows: the hours of a week, in local time, in which nodes may be disrupted."""

import re
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model, TimeZone, UtcTime

MINUTES_OF_A_DAY = 24 * 60
LONGEST = timedelta(days=1)


class Day(StrEnum):
    """This is a day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @classmethod
    def of(cls, moment: datetime) -> "Day":
        """Returns the day of the week at that moment, in the moment's own time zone."""
        return tuple(cls)[moment.weekday()]


def _as_clocks_show_it(value: object) -> object:
    """Returns a time of day. YAML reads 22:00 without quotes as a number in base 60, which is its minutes."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MINUTES_OF_A_DAY:
        return time(value // 60, value % 60)
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    if isinstance(value, time):
        return value
    message = 'not a time of day; write hours and minutes in quotes, for example "22:00"'
    raise ValueError(message)


ClockTime = Annotated[
    time, BeforeValidator(_as_clocks_show_it), WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d$"})
]
"""This is a time of day in hours and minutes: `"22:00"`."""


class Window(Model):
    """This window is open on its days from one time to another.

    A `to` that is not after `from` is on the next day.
    """

    COVERED: ClassVar[Reasons] = {"days begins ends time_zone max_duration": "when nodes may be disturbed"}

    days: tuple[Day, ...] = Field(
        default=tuple(Day), min_length=1, description="days on which the window opens, for example [sat, sun]"
    )
    begins: ClockTime = Field(alias="from", description='time at which it opens, for example "22:00"')
    ends: ClockTime = Field(alias="to", description='time at which it closes, for example "04:00"')
    time_zone: TimeZone = Field(default="UTC", description="time zone of both times, for example Europe/Berlin")
    max_duration: Duration | None = Field(
        default=None, gt=timedelta(0), le=LONGEST, description="longest duration of one run; if empty, the whole window"
    )

    @model_validator(mode="after")
    def _has_each_day_once(self) -> Self:
        if twice := sorted({day for day in self.days if self.days.count(day) > 1}):
            message = f"days: {', '.join(twice)} is there twice; name each day once"
            raise ValueError(message)
        return self

    @property
    def in_words(self) -> str:
        """Returns the window for people: `sat, sun 22:00 to 04:00 Europe/Berlin`."""
        days = "each day" if set(self.days) == set(Day) else ", ".join(self.days)
        return f"{days} {self.begins:%H:%M} to {self.ends:%H:%M} {self.time_zone}"


class Opening(Model):
    """This is one period in which a window is open."""

    opens: UtcTime
    closes: UtcTime
    max_duration: timedelta | None = None
    window: str = Field(description="in words")
