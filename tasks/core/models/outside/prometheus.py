"""Models Prometheus' answers to a query."""

from typing import Any, Literal

from pydantic import Field

from tasks.core.models.outside.answers import Outside


class Sample(Outside):
    """This is a value with its labels. Prometheus writes values as text, including NaN and +Inf."""

    metric: dict[str, str] = Field(default={})
    value: tuple[float, float]


class Vector(Outside):
    """This is a result with one value for each series."""

    result_type: Literal["vector"]
    result: tuple[Sample, ...] = ()


class Scalar(Outside):
    """This is a result with one value."""

    result_type: Literal["scalar"]
    result: tuple[float, float]


class QueryKind(Outside):
    """This is the type of a query's result: vector, scalar, matrix or string."""

    result_type: str


class QueryAnswer(Outside):
    """This is Prometheus' answer to a query."""

    status: str
    error: str = ""
    data: dict[str, Any] = Field(default={})
