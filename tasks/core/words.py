"""Formats durations and counts as people read them, in one way everywhere."""

from datetime import timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_PARTS = (("days", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", 1))
_TYPED = (("d", _DAY), ("h", _HOUR), ("m", _MINUTE), ("s", 1))


def duration_in_words(length: timedelta) -> str:
    """Formats a duration, for example `1.2 s`, `12 min 3 s`, `26 h` or `3 days 5 h`.

    Hours are the largest unit for less than two days.
    """
    tenths = round(length.total_seconds(), 1)
    if abs(tenths) < _MINUTE:
        return f"{tenths:.1f}".removesuffix(".0") + " s"
    sign, seconds = "-" if tenths < 0 else "", round(abs(tenths))
    first = next(number for number, (_, size) in enumerate(_PARTS) if seconds >= (2 * size if size == _DAY else size))
    (unit, size), (smaller, part) = _PARTS[first], _PARTS[first + 1]
    rest = seconds % size // part
    return f"{sign}{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")


def duration_as_typed(length: timedelta) -> str:
    """Formats a duration as an option or a profile takes it: in the largest unit without a remainder, as in `26h`.

    A part of a second is kept, in ISO 8601.
    """
    if length.microseconds:
        return f"PT{length.total_seconds()}S"
    seconds = int(length.total_seconds())
    return next((f"{seconds // size}{unit}" for unit, size in _TYPED if seconds and seconds % size == 0), "0s")


def counted(count: int, one: str, many: str = "") -> str:
    """Formats a count with its noun, as in `1 pod` and `2 pods`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
