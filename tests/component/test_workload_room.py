"""The plan of a rollout says before the change where there is no room for its pods: in a quota, or on the nodes."""

from typing import Any

import pytest

from flows.workload_rollout import workload_rollout
from tasks.core.models.plan import Mode
from tasks.workloads.models.changes import Change
from tests.servers.kubernetes import ControlPlane
from tests.servers.shop import Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")


def cautions(site: Site, shop: Shop, **change: Any) -> list[str]:  # noqa: ANN401 - fields of a change
    """Of the plan for `deployment/web`."""
    made = Change(namespace=shop.name, workload="deployment/web", **change)
    plan = workload_rollout(site.name, (made,), "new prices", mode=Mode.PLAN).plan
    assert plan
    return [one.problem for one in plan.cautions]


def test_what_is_short_is_a_caution_with_its_numbers(two_workers: ControlPlane, site: Site, shop: Shop) -> None:
    """Two nodes have 8 cores each; pods have a default of the namespace; the control plane node takes none."""
    site.use_api(two_workers.kubeconfig())
    defaults = {"limits": [{"type": "Container", "defaultRequest": {"cpu": "1"}}]}
    shop.api.create(f"/api/v1/namespaces/{shop.name}/limitranges", {"metadata": {"name": "d"}, "spec": defaults})
    shop.run("deployment/web", 2)
    assert cautions(site, shop, restart=True) == []
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"cpu": "3500m", "pods": "10"}}}
    shop.api.create(f"/api/v1/namespaces/{shop.name}/resourcequotas", quota)
    shop.wait_quota("q", "cpu", "2")
    assert cautions(site, shop, replicas=4) == [
        "ResourceQuota q has too little left for its pods: requests.cpu: 2 needed, 1.5 left"
    ]
    shop.api.delete(f"/api/v1/namespaces/{shop.name}/resourcequotas/q")
    (no_node,) = cautions(site, shop, requests={"cpu": "7500m"})
    assert no_node.startswith("no node has room for one more pod of it now: of 2 nodes, the most is pods: 1 needed, 10")
    assert "cpu: 7.5 needed, 7 free" in no_node or "cpu: 7.5 needed, 6 free" in no_node
