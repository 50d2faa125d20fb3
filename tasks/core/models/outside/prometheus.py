"""What Prometheus says to a query."""

from typing import Any, Literal

from pydantic import Field

from tasks.core.models.outside.answers import Outside


class Sample(Outside):
    """A value with its labels; Prometheus writes values as text, NaN and +Inf among them."""

    metric: dict[str, str] = Field(default={})
    value: tuple[float, float]


class Vector(Outside):
    """One value for each series."""

    result_type: Literal["vector"]
    result: tuple[Sample, ...] = ()


class Scalar(Outside):
    """One value."""

    result_type: Literal["scalar"]
    result: tuple[float, float]


class QueryKind(Outside):
    """Of what kind the result of a query is: vector, scalar, matrix or string."""

    result_type: str


class QueryAnswer(Outside):
    """What Prometheus says to a query."""

    status: str
    error: str = ""
    data: dict[str, Any] = Field(default={})
