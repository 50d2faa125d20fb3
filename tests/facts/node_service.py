"""One worker that is well, and who wants something of it."""

from typing import Any

from tasks.node_service.models import Request, ServiceFacts
from tests.facts.upgrade import NOW, forecast, kube_node, machine

RUN = "run-1"
WANTED = Request(node="w1", reason="its disk is failing", ticket="INC-7", run_id=RUN)
HANDED_OVER = {"kube-runbooks.io/ticket": "INC-6", "kube-runbooks.io/cordon-reason": "INC-6: a fan"}
MINE = {"kube-runbooks.io/cordoned-by": RUN, "kube-runbooks.io/cordon-reason": "INC-7: its disk is failing"}


def facts(node: dict[str, Any] | None = None, **changes: object) -> ServiceFacts:
    """A worker that is well, with one pod."""
    good: dict[str, Any] = {
        "observed_at": NOW,
        "machine": machine("w1"),
        "kube": kube_node("w1", **(node or {})),
        "forecast": forecast("w1", "shop/a"),
    }
    return ServiceFacts.model_validate(good | changes)
