"""Prometheus: one query, now. JSON over HTTP by urllib3, which the Kubernetes client brings."""

import json
from urllib.parse import urlencode

import urllib3

from tasks.clients.tls import tls_context
from tasks.core.errors import NotYet, Refused
from tasks.core.models.outside import QueryAnswer, QueryKind, Scalar, Vector

SECONDS = 15.0
"""For one query."""


def ask_prometheus(url: str, query: str) -> dict[str, float]:
    """The values that a query gives now, by their labels; a scalar has none.

    Raises:
        Refused: it does not understand the query, or the query gives neither a vector nor a scalar.
        NotYet: it does not answer, or with what nobody understands.
    """
    where = f"{url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
    try:
        with urllib3.PoolManager(timeout=SECONDS, retries=False, ssl_context=tls_context()) as pools:
            answer = pools.request("GET", where)
            told = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise NotYet(f"Prometheus at {url} does not answer: {error}", hint="look at it") from None
    return values_of(told, url)


def values_of(told: object, url: str) -> dict[str, float]:
    """The values in an answer of Prometheus; raises as `ask_prometheus`."""
    what = f"the answer of Prometheus at {url}"
    answer = QueryAnswer.read(told, what)
    if answer.status != "success":
        raise Refused(f"Prometheus at {url}: {answer.error or answer.status}", hint="correct the query in gates:")
    kind = QueryKind.read(answer.data, what).result_type
    if kind == "scalar":
        return {"": Scalar.read(answer.data, what).result[1]}
    if kind != "vector":
        raise Refused(
            f"Prometheus at {url}: the query gives a {kind}, and a gate needs a vector or a scalar",
            hint="correct the query: one value for each series, without a range such as [5m] at its end",
        )
    return {_labels(one.metric): one.value[1] for one in Vector.read(answer.data, what).result}


def _labels(metric: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items()))
