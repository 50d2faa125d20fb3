"""`workload_history` on a real control plane: kubectl is the judge of numbers and causes."""

import re
from typing import Any

import pytest

from flows.workload_history import workload_history
from tasks.core.errors import Refused
from tests.servers.kubernetes import ControlPlane
from tests.servers.shop import Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")
CAUSE = "kubernetes.io/change-cause"


def _of_kubectl(shop: Shop, workload: str) -> dict[int, str]:
    """Causes by number."""
    said = shop.cluster.kubectl("-n", shop.name, "rollout", "history", workload)
    found = re.findall(r"^(\d+)\s+(.*?)\s*$", said, re.MULTILINE)
    return {int(number): "" if cause == "<none>" else cause for number, cause in found}


def test_numbers_and_causes_are_kubectls_and_an_undo_gets_a_new_number(two_workers: ControlPlane, site: Site) -> None:
    """With who wrote it, what it changed, and which one runs."""
    site.use_api(two_workers.kubeconfig())
    shop = Shop(two_workers, "history")
    kinds = ("deployment/web", "statefulset/db", "daemonset/agent")
    for workload in kinds:
        shop.run(workload, 2, metadata={"annotations": {CAUSE: "first"}})
        two_workers.kubectl("-n", shop.name, "annotate", workload, f"{CAUSE}=second", "--overwrite")
        two_workers.kubectl("-n", shop.name, "set", "image", workload, "main=web:2")
        shop.wait_available(workload, 2)
        two_workers.kubectl("-n", shop.name, "rollout", "undo", workload)
        shop.wait_available(workload, 2)
    report = workload_history(site.name, shop.name)
    found: Any = next(one.evidence for one in report.done if one.step == "observe history")
    for history in found["histories"]:
        workload, revisions = history["workload"], history["revisions"]
        assert {one["number"]: one["cause"] for one in revisions} == _of_kubectl(shop, workload)
        assert [one["number"] for one in revisions] == [3, 2]
        newest, older = revisions
        assert (newest["runs"], newest["pods"], newest["images"]) == (True, 2, {"main": "web:1"})
        assert newest["changes"] == ["containers[main].image: web:2 -> web:1"]
        assert newest["who"].startswith("kubectl")
        assert (older["runs"], older["who"]) == (False, "")
    assert report.summary[0] == "6 revisions of 3 workloads of history"
    with pytest.raises(Refused, match="history/deployment/wbe: no workload with this name"):
        workload_history(site.name, shop.name, ("deploy/wbe",))
    with pytest.raises(Refused, match="nowhere: no namespace with this name"):
        workload_history(site.name, "nowhere")
