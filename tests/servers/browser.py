"""A person in Debian's Chromium who has never typed a command: starts runs, reads plans, answers, reads reports; with pictures."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until

TRIES = 5
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(executable: str, folder: Path, limit: float) -> Iterator[Page]:
    """A page, with a profile that nobody has used; `limit` seconds for anything to appear."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=executable, headless=True, args=FLAGS, viewport={"width": 1280, "height": 1300}
        )
        context.set_default_timeout(limit * 1000)
        yield context.pages[0]
        context.close()


class Operator:
    """At the UI of a Prefect server, whose worker runs the deployments. Pictures are numbered in their order."""

    def __init__(self, page: Page, server: PrefectServer, pictures: Path, limit: float) -> None:
        self.page = page
        self._server = server
        self._ui = server.api_url.removesuffix("/api") + "/v2"
        self._pictures, self._taken = pictures, 0
        self._limit = limit

    def start(self, deployment: str, run_name: str, texts: Mapping[str, str], mode: str) -> None:
        """By the deployment's form: `texts` are for the first field with such a label."""
        page = self.page
        found = self._server.api("GET", f"/deployments/name/{deployment}")
        page.goto(f"{self._ui}/deployments/deployment/{found['id']}/run")
        page.get_by_label("Run Name").fill(run_name)
        for label, text in texts.items():
            page.get_by_label(label).first.fill(text)
        page.get_by_role("button", name="Select mode").click()
        page.get_by_role("option", name=mode, exact=True).click()
        self._picture("form")
        self._submit()

    def wait_for_question(self, run_name: str) -> str:
        """Until the run asks; its page is shown. The run's id."""
        run_id = self._open(run_name, "Suspended")
        self._picture("waiting")
        return run_id

    def read_plan(self, node: str) -> Locator:
        """The form that asks, with the plan in it, once its list has this node."""
        self.page.get_by_role("main").get_by_role("button", name="Open menu").first.click()
        self.page.get_by_role("menuitem", name="Resume").click()
        form = self.page.get_by_role("dialog")
        form.get_by_text("approve this plan?").wait_for()
        form.get_by_role("listitem").filter(has=self.page.get_by_text(node, exact=True)).first.wait_for()
        self._picture("plan")
        cut_off = "form => [...form.querySelectorAll('li')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
        assert form.evaluate(cut_off) == 0
        return form

    def approve(self, form: Locator, who: str, reason: str) -> None:
        """Its default is to abort."""
        form.get_by_role("button", name="Select Decision").click()
        self.page.get_by_role("option", name="approve").click()
        form.get_by_role("textbox", name="Who").fill(who)
        form.get_by_role("textbox", name="Reason").fill(reason)
        self._picture("answer")
        _press(form, "Resume")

    def watch(self, run_id: str, text: str) -> None:
        """Until the text stands among the artifacts of the run, which is under way; a page of them does not renew itself."""
        self._read(f"{run_id}?tab=Artifacts", text)
        self._picture("progress")

    def read_report(self, run_id: str, artifact: str, text: str) -> None:
        """Once the run has completed; the newest version of its report: an older one says that it waits."""
        page = self.page
        page.goto(f"{self._ui}/runs/flow-run/{run_id}")
        page.get_by_role("main").get_by_text("Completed", exact=True).first.wait_for()
        self._picture("completed")
        page.goto(f"{self._ui}/runs/flow-run/{run_id}?tab=Artifacts")
        page.get_by_role("link", name=artifact).first.click()
        page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).first.click()
        page.get_by_text(text).first.wait_for()
        self._picture("report", full_page=True)

    def read_refusal(self, run_name: str, *texts: str) -> None:
        """Once a rule has stopped the run: the page has the sentences, and no traceback."""
        self._read(self._open(run_name, "Refused"), *texts)
        assert not self.page.get_by_text("Traceback").count()
        self._picture("refusal", full_page=True)

    def _open(self, run_name: str, state: str) -> str:
        """The page of a run, once it is in a state; the run's id."""
        wanted = {"flow_runs": {"name": {"any_": [run_name]}, "state": {"name": {"any_": [state]}}}}
        wait_until(lambda: self._server.api("POST", "/flow_runs/filter", wanted), self._limit, state, every=0.3)
        [run] = self._server.api("POST", "/flow_runs/filter", wanted)
        self.page.goto(f"{self._ui}/runs/flow-run/{run['id']}")
        self.page.get_by_role("main").get_by_text(state, exact=True).first.wait_for()
        return str(run["id"])

    def _read(self, page_of_run: str, *texts: str) -> None:
        """Until a page of a run has the texts. It is loaded again and again.

        A page renews neither its artifacts nor the log of a run that has ended, and a run's last lines come after its end.
        """

        def is_there() -> bool:
            self.page.goto(f"{self._ui}/runs/flow-run/{page_of_run}")
            try:
                for text in texts:
                    self.page.get_by_text(text).first.wait_for(timeout=5000)
            except PlaywrightTimeoutError:
                return False
            return True

        wait_until(is_there, self._limit, f"{texts} can be read")

    def _picture(self, name: str, *, full_page: bool = False) -> None:
        self._taken += 1
        self.page.screenshot(path=self._pictures / f"{self._taken}-{name}.png", full_page=full_page)

    def _submit(self) -> None:
        """Until the run is made and the deployment's page shows it: a busy server answers 503 now and then, and the form stays."""
        for _ in range(TRIES):
            self.page.get_by_role("button", name="Submit").click()
            try:
                self.page.wait_for_url(lambda url: not url.endswith("/run"), timeout=60_000)
            except PlaywrightTimeoutError:
                continue
            return
        raise AssertionError("Submit had no effect")


def _press(form: Locator, name: str) -> None:
    """Until the form is gone: a busy server answers 503 now and then, and the form stays."""
    for _ in range(TRIES):
        form.get_by_role("button", name=name).click()
        try:
            form.wait_for(state="hidden", timeout=20_000)
        except PlaywrightTimeoutError:
            continue
        return
    raise AssertionError(f"{name} had no effect")
