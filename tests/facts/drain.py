"""Nodes, pods and budgets of a small shop, and what a drain of w1 is forecast from them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.drain.models import DrainForecast, DrainOptions, Verdict
from tasks.drain.policy.forecast import forecast_drain
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Budget, Controller, DrainFacts, LabelSelector, Pod

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OPTIONS = DrainOptions()
FORCE = DrainOptions(force=True)
REPLICAS = Controller(kind="ReplicaSet", api_version="apps/v1", name="web-1")
DAEMONS = Controller(kind="DaemonSet", api_version="apps/v1", name="agent")
APP = LabelSelector(labels={"app": "web"})

AGO = NOW - timedelta(minutes=11)


def node(name: str, **other: Any) -> KubeNode:  # noqa: ANN401 - the model's fields
    """Ready, and takes pods."""
    labels = {"kubernetes.io/hostname": name}
    return KubeNode(**({"name": name, "ready": True, "kubelet": "1.36.3", "labels": labels} | other))


def pod(name: str = "web-1-a", **other: Any) -> Pod:  # noqa: ANN401 - the model's fields
    """Of a ReplicaSet, on w1."""
    given = {"namespace": "shop", "name": name, "uid": name, "node": "w1", "labels": {"app": "web"}}
    return Pod(**(given | {"controller": REPLICAS} | other))


def budget(name: str = "web", **other: Any) -> Budget:  # noqa: ANN401 - the model's fields
    """Of the pods that `pod` makes."""
    return Budget(**({"namespace": "shop", "name": name, "selector": APP} | other))


def facts(*pods: Pod, **other: Any) -> DrainFacts:  # noqa: ANN401 - the model's fields
    """Of a cluster of two workers."""
    return DrainFacts(**({"observed_at": NOW, "nodes": (node("w1"), node("w2")), "pods": pods} | other))


def forecast(seen: DrainFacts, options: DrainOptions = OPTIONS) -> DrainForecast:
    """Of w1."""
    return forecast_drain("w1", seen, options)


def verdict(seen: DrainFacts, options: DrainOptions = OPTIONS) -> Verdict:
    """Of the first pod of w1."""
    return forecast(seen, options).verdicts[0]
