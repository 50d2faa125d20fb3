"""A person in a real browser: starts a run by the deployment's form, reads its plan, approves it, and reads its report."""

from pathlib import Path

import pytest

from tests.servers.browser import Operator, chromium
from tests.servers.etcd import EtcdCluster
from tests.servers.etcd_pages import fragment, made_smaller, sizes
from tests.servers.runbooks import MAINTENANCE, RUN_LIMIT, Runbooks
from tests.servers.seaweedfs import S3Server

pytestmark = pytest.mark.timeout(600)  # a server, a worker and a deployment, before there is anything to look at


def test_a_plan_is_read_and_approved_in_the_browser(
    tmp_path_factory: pytest.TempPathFactory, browser: str, screenshots: Path
) -> None:
    """From the form to the report, with pictures."""
    folder = tmp_path_factory.mktemp("browser")
    with (
        EtcdCluster(folder / "etcd", ("m1", "m2", "m3")) as etcd,
        S3Server(folder / "s3") as s3,
        Runbooks(folder, etcd, s3, ui=True, only=(MAINTENANCE,)) as runbooks,
        chromium(browser, folder / "profile", RUN_LIMIT) as page,
    ):
        fragment(etcd)
        before = sizes(etcd)
        name = runbooks.new_cluster().name
        operator = Operator(page, runbooks.server, screenshots, RUN_LIMIT)
        fields = {"cluster": name, "Reclaimable Mib": "1", "Reclaimable Percent": "10"}
        operator.start(MAINTENANCE, "by-hand", fields, mode="approve")
        run = operator.wait_for_question(f"maintenance-{name}")
        form = operator.read_plan("m3")
        assert made_smaller(etcd, before) == []
        operator.approve(form, "Ada", "read in a browser")
        operator.read_report(run, f"{name}-etcd-maintenance-report", "was approved by Ada: read in a browser")
        after = sizes(etcd)
        assert all(after[one] < before[one] for one in before)
        operator.start(MAINTENANCE, "with a wrong name", fields | {"cluster": "prdo"}, mode="apply")
        unstored = "the report could not be stored: for the same reason"
        operator.read_refusal("maintenance-prdo", "cluster 'prdo' is unknown", unstored)
        assert page.get_by_text(unstored).count() == 1
