"""Defines the base of all models: frozen, strict about unknown fields, times in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


class Model(BaseModel):
    """This is a value that crosses a boundary. It is immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        message = "a time needs a zone, for example 2026-11-23T12:00:00Z"
        raise ValueError(message)
    return moment.astimezone(UTC)


UtcTime = Annotated[datetime, AfterValidator(_in_utc)]
"""This is a moment in UTC; a time without a time zone is refused."""


_DIGITS = 6
"""Limits the digits of a duration as people write it; a timedelta holds at most 999999 weeks."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _as_people_write_it(value: object) -> object:
    if isinstance(value, str) and not value.startswith(("P", "-P")):
        if not (found := re.fullmatch(r"(\d+)([smhdw])", value)):
            message = "not a length of time; write a whole number with s, m, h, d or w, for example 26h"
            raise ValueError(message)
        if len(found[1]) > _DIGITS:
            message = f"more than {_DIGITS} digits"
            raise ValueError(message)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_as_people_write_it),
    WithJsonSchema({"type": "string", "pattern": rf"^(\d{{1,{_DIGITS}}}[smhdw]|P.+)$"}),
]
"""This is a duration: `26h`, `30d`, `15m` (units s, m, h, d, w), ISO 8601, or a number of seconds."""


def _is_a_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        message = "not a time zone of the IANA database, for example UTC or Europe/Berlin"
        raise ValueError(message) from None
    return name


TimeZone = Annotated[str, AfterValidator(_is_a_time_zone)]
"""This is the name of a time zone in the IANA database."""
