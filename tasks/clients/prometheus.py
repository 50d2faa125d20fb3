"""Prometheus: one query, now. JSON over HTTP by urllib3, which the Kubernetes client brings."""

import json
from typing import Any
from urllib.parse import urlencode

import urllib3

from tasks.clients.tls import tls_context
from tasks.errors import NotYet, Refused

SECONDS = 15.0
"""For one query."""


def ask_prometheus(url: str, query: str) -> dict[str, float]:
    """The values that a query gives now, by their labels; a scalar has none.

    Raises:
        Refused: it does not understand the query.
        NotYet: it does not answer.
    """
    where = f"{url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
    try:
        with urllib3.PoolManager(timeout=SECONDS, retries=False, ssl_context=tls_context()) as pools:
            answer = pools.request("GET", where)
            told: dict[str, Any] = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise NotYet(f"Prometheus at {url} does not answer: {error}", hint="look at it") from None
    if told.get("status") != "success":
        raise Refused(f"Prometheus at {url}: {told.get('error', answer.status)}", hint="correct the query in gates:")
    data = told["data"]
    if data["resultType"] == "scalar":
        return {"": float(data["result"][1])}
    return {_labels(one.get("metric", {})): float(one["value"][1]) for one in data["result"]}


def _labels(metric: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items()))
