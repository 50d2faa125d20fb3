"""Queries Prometheus for current values: JSON over HTTP by urllib3, which the Kubernetes client brings."""

import json
from urllib.parse import urlencode

import urllib3

from tasks.clients.tls import tls_context, why_not_trusted
from tasks.core.errors import NotTrusted, NotYet, Refused
from tasks.core.models.outside import QueryAnswer, QueryKind, Scalar, Vector

SECONDS = 15.0
"""Limits one query, in seconds."""


def ask_prometheus(url: str, query: str) -> dict[str, float]:
    """Returns the current values of a query, by their labels; a scalar has none.

    Raises:
        Refused: Prometheus rejects the query, or the query gives neither a vector nor a scalar.
        NotTrusted: its certificate is not trusted.
        NotYet: it does not answer, or its answer could not be parsed.
    """
    where = f"{url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
    try:
        with urllib3.PoolManager(timeout=SECONDS, retries=False, ssl_context=tls_context()) as pools:
            answer = pools.request("GET", where)
            told = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        if reason := why_not_trusted(error):
            hint = "add its CA to those that the worker's system trusts, or correct the url"
            raise NotTrusted(f"Prometheus at {url}: its certificate: {reason}", hint=hint) from None
        raise NotYet(
            f"Prometheus at {url} does not answer: {error}", hint="check that it runs, and the url in the profile"
        ) from None
    return values_of(told, url)


def values_of(told: object, url: str) -> dict[str, float]:
    """Returns the values in an answer of Prometheus; raises the same errors as `ask_prometheus`."""
    what = f"the answer of Prometheus at {url}"
    answer = QueryAnswer.read(told, what)
    if answer.status != "success":
        raise Refused(f"Prometheus at {url}: {answer.error or answer.status}", hint="correct the query in the profile")
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
