"""A person in a real browser: starts a run by the deployment's form, reads its plan, approves it, and reads its report."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.servers.etcd import EtcdCluster
from tests.servers.etcd_pages import fragment, sizes
from tests.servers.runbooks import MAINTENANCE, RUN_LIMIT, Runbooks
from tests.servers.seaweedfs import S3Server

pytestmark = pytest.mark.timeout(600)  # a server, a worker and a deployment, before there is anything to look at

TRIES = 5
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """Of Debian's Chromium, with a profile that nobody has used."""
    if not CHROMIUM:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1280, "height": 1300},
        )
        context.set_default_timeout(RUN_LIMIT * 1000)
        yield context.pages[0]
        context.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where they stay: $KUBE_RUNBOOKS_SCREENSHOTS, or else with the test's files."""
    folder = Path(os.environ.get("KUBE_RUNBOOKS_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_plan_is_read_and_approved_in_the_browser(
    tmp_path_factory: pytest.TempPathFactory, page: Page, screenshots: Path
) -> None:
    """From the form to the report, with pictures."""
    folder = tmp_path_factory.mktemp("browser")
    with (
        EtcdCluster(folder / "etcd", ("m1", "m2", "m3")) as etcd,
        S3Server(folder / "s3") as s3,
        Runbooks(folder, etcd, s3, ui=True) as runbooks,
    ):
        fragment(etcd)
        approve_in_the_browser(runbooks, etcd, page, screenshots)


def press(form: Locator, name: str) -> None:
    """Until the form is gone: a busy server answers 503 now and then, and the form stays."""
    for _ in range(TRIES):
        form.get_by_role("button", name=name).click()
        try:
            form.wait_for(state="hidden", timeout=20_000)
        except PlaywrightTimeoutError:
            continue
        return
    raise AssertionError(f"{name} had no effect")


def submit(page: Page) -> None:
    """Until the run is made and the deployment's page shows it: a busy server answers 503 now and then, and the form stays."""
    for _ in range(TRIES):
        page.get_by_role("button", name="Submit").click()
        try:
            page.wait_for_url(lambda url: not url.endswith("/run"), timeout=60_000)
        except PlaywrightTimeoutError:
            continue
        return
    raise AssertionError("Submit had no effect")


def approve_in_the_browser(runbooks: Runbooks, etcd: EtcdCluster, page: Page, screenshots: Path) -> None:
    """As an operator does it who has never typed a command."""
    before = sizes(etcd)
    ui = runbooks.server.api_url.removesuffix("/api") + "/v2"
    site = runbooks.new_cluster()
    page.goto(f"{ui}/deployments/deployment/{runbooks.deployment(MAINTENANCE)['id']}/run")
    page.get_by_label("Run Name").fill("by-hand")
    page.get_by_role("textbox", name="cluster").fill(site.name)
    page.get_by_role("button", name="Select mode").click()
    page.get_by_role("option", name="approve").click()
    page.get_by_label("Reclaimable Mib").fill("1")
    page.get_by_label("Reclaimable Percent").fill("10")
    page.screenshot(path=screenshots / "1-form.png")
    submit(page)

    mine = {"flow_runs": {"name": {"any_": [f"maintenance-{site.name}"]}, "state": {"name": {"any_": ["Suspended"]}}}}
    runbooks.wait_until(lambda: runbooks.server.api("POST", "/flow_runs/filter", mine), "the run asks")
    [run] = runbooks.server.api("POST", "/flow_runs/filter", mine)
    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    page.get_by_text("Suspended").first.wait_for()
    page.screenshot(path=screenshots / "2-waiting.png")
    page.get_by_role("main").get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    form = page.get_by_role("dialog")
    form.get_by_text("approve this plan?").wait_for()
    form.get_by_role("cell", name="m3").wait_for()
    page.screenshot(path=screenshots / "3-plan.png")
    assert sizes(etcd) == before
    form.get_by_role("button", name="Select Decision").click()
    page.get_by_role("option", name="approve").click()
    form.get_by_role("textbox", name="Who").fill("Ada")
    form.get_by_role("textbox", name="Reason").fill("read in a browser")
    page.screenshot(path=screenshots / "4-answer.png")
    press(form, "Resume")

    page.get_by_role("main").get_by_text("Completed", exact=True).first.wait_for()
    page.screenshot(path=screenshots / "5-completed.png")
    page.goto(f"{ui}/runs/flow-run/{run['id']}?tab=Artifacts")
    page.get_by_role("link", name=f"{site.name}-etcd-maintenance-report").first.click()
    page.get_by_role(
        "link", name=re.compile("^[0-9a-f]{8}$")
    ).first.click()  # the newest; an older one says that it waits
    page.get_by_text("was approved by Ada: read in a browser").first.wait_for()
    page.screenshot(path=screenshots / "6-report.png", full_page=True)
    after = sizes(etcd)
    assert all(after[name] < before[name] for name in before)
