"""Mode approve: a run waits with its plan for a person's word, and does that plan and no other. On `etcd_maintenance`."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.etcd.models import Worth
from tests.servers.etcd import EtcdCluster
from tests.servers.etcd_pages import fragment, made_smaller, sizes
from tests.servers.proxies import Hold, S3Proxy
from tests.servers.runbooks import MAINTENANCE, RUN_LIMIT, Runbooks
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

pytestmark = pytest.mark.timeout(600)  # the first test pays for a server, a worker and a deployment

ANY = Worth(reclaimable_mib=1, reclaimable_percent=10).model_dump()
NOTICED = "prefect.flow_runs.worker - Check whether the flow run exceeded its memory"
"""Of a worker whose process was killed. It reports a crash then, also of a run that was retried since."""

WHO = {"who": "Ada", "reason": "INC-4711", "choices": {}}
"""As the report has it."""

APPROVE = {"decision": "approve", "who": "Ada", "reason": "INC-4711"}


@pytest.fixture(scope="module")
def runbooks(tmp_path_factory: pytest.TempPathFactory, etcd: EtcdCluster) -> Iterator[Runbooks]:
    """A server, a worker and the deployments."""
    folder = tmp_path_factory.mktemp("approvals")
    with S3Server(folder / "s3") as s3, Runbooks(folder, etcd, s3, only=(MAINTENANCE,)) as made:
        yield made


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members."""
    with EtcdCluster(tmp_path_factory.mktemp("etcd"), ("m1", "m2", "m3")) as cluster:
        yield cluster


@pytest.fixture
def site(runbooks: Runbooks, etcd: EtcdCluster) -> Site:
    """A cluster where every member is worth a defragmentation."""
    fragment(etcd)
    return runbooks.new_cluster()


def start(runbooks: Runbooks, site: Site, **parameters: Any) -> str:  # noqa: ANN401 - any JSON
    """The id of a run that is to ask."""
    return runbooks.start(site, MAINTENANCE, mode="approve", worth=ANY, **parameters)


def asked(runbooks: Runbooks, run_id: str, times: int = 1) -> dict[str, Any]:
    """The state of a run once it has asked so often."""

    def suspensions() -> list[dict[str, Any]]:
        states = runbooks.server.api("GET", f"/flow_run_states/?flow_run_id={run_id}")
        return [state for state in states if state["name"] == "Suspended"]

    def waits() -> bool:
        state = runbooks.run(run_id)["state"]
        assert state["type"] not in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, state["message"]
        return state["name"] == "Suspended" and len(suspensions()) == times

    runbooks.wait_until(waits, f"the run has asked {times} times")
    state: dict[str, Any] = runbooks.run(run_id)["state"]
    return state


def answer(runbooks: Runbooks, run_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """What Prefect says to an answer."""
    told: dict[str, Any] = runbooks.server.api("POST", f"/flow_runs/{run_id}/resume", body)
    return told


def accepted(runbooks: Runbooks, run_id: str, body: dict[str, Any]) -> None:
    """Give an answer that is good; the schema of the form comes right behind the state."""
    runbooks.wait_until(lambda: answer(runbooks, run_id, body)["status"] == "ACCEPT", "the answer is accepted")


def question(runbooks: Runbooks, run_id: str, state: dict[str, Any]) -> str:
    """What the form shows."""
    key = state["state_details"]["run_input_keyset"]["description"]
    runbooks.wait_until(lambda: has_input(runbooks, run_id, key), "the form is there")
    return str(runbooks.server.api("GET", f"/flow_runs/{run_id}/input/{key}"))


def changes(text: str) -> int:
    """How many nodes the list of changes has."""
    return text.partition("### Changes")[2].partition("###")[0].count("- **")


def has_input(runbooks: Runbooks, run_id: str, key: str) -> bool:
    """Is it kept?"""
    return runbooks.server.request("GET", f"/flow_runs/{run_id}/input/{key}").is_success


def steps(site: Site) -> list[str]:
    """Names of all steps of the newest report."""
    return [done["step"] for done in site.reports()[-1]["done"]]


@pytest.mark.full
def test_an_empty_answer_aborts_and_a_retry_asks_again(runbooks: Runbooks, site: Site, etcd: EtcdCluster) -> None:
    """The plan is in the form, what does not fit the form leaves it waiting, and nothing is touched."""
    before = sizes(etcd)
    run_id = start(runbooks, site)
    told = question(runbooks, run_id, asked(runbooks, run_id))
    assert told.startswith(f"# etcd-maintenance of {site.name}: approve this plan?")
    assert "| " not in told  # the form cuts a table off at the right
    assert "- **worth**: reclaimable_mib=1, reclaimable_percent=10\n" in told
    assert "- **profile: store**: bucket=" in told
    assert "/access-key" not in told
    assert changes(told) == 3
    [waiting] = site.reports()
    assert waiting["outcome"] == "waiting"
    digest = waiting["summary"][0].split(" ")[5]
    assert f"waiting for approval of plan {digest} until 2" in waiting["summary"][0]
    assert f"## Plan {digest}" in told
    assert f"kube-runbooks approve {run_id}, or" in waiting["next_step"]
    assert "waiting" in runbooks.artifacts(run_id)[f"{site.name}-etcd-maintenance-report"].partition("\n")[0]

    for wrong in ({"decision": "perhaps"}, {"decision": "approve", "reason": "x" * 201}, {"decide": "approve"}):
        assert answer(runbooks, run_id, {"run_input": wrong})["status"] == "REJECT"
    assert runbooks.run(run_id)["state_name"] == "Suspended"

    accepted(runbooks, run_id, {})
    ended = runbooks.end_of(run_id)
    assert ended["state_name"] == "Refused"
    nobody = f"plan {digest} was denied by somebody who gave no name; nothing of it was touched"
    assert nobody in ended["state"]["message"]
    [refused] = site.reports()
    assert (refused["outcome"], refused["attempt"], refused["problem"]) == ("refused", 1, nobody)
    assert refused["started_at"] == waiting["started_at"]

    runbooks.server.cli("flow-run", "retry", run_id)
    asked(runbooks, run_id, 2)
    accepted(runbooks, run_id, {"run_input": {"who": "Grace", "reason": "not on a Friday"}})
    message = runbooks.end_of(run_id)["state"]["message"]
    assert f"plan {digest} was denied by Grace: not on a Friday" in message
    assert [report["outcome"] for report in site.reports()] == ["refused", "refused"]
    assert steps(site) == ["observe etcd", "check control plane", "observe records"]
    assert made_smaller(etcd, before) == []


def test_what_a_person_would_have_wanted_to_know_is_asked_again(
    runbooks: Runbooks, site: Site, etcd: EtcdCluster
) -> None:
    """The profile has changed between question and answer. An abort takes back what was approved before, for a retry, too."""
    before = sizes(etcd)
    run_id = start(runbooks, site)
    first = question(runbooks, run_id, asked(runbooks, run_id))
    site.write(upgrade={"ignore_preflight_errors": ["all"]})
    accepted(runbooks, run_id, {"run_input": APPROVE})
    second = question(runbooks, run_id, asked(runbooks, run_id, 2))
    told = "- **profile: upgrade**: ignore_preflight_errors=[all]\n"
    assert (told in first, told in second) == (False, True)
    assert changes(first) == changes(second) == 3
    assert [report["outcome"] for report in site.reports()] == ["waiting"]

    accepted(runbooks, run_id, {})
    assert runbooks.end_of(run_id)["state_name"] == "Refused"
    site.write(upgrade={"ignore_preflight_errors": []})
    runbooks.server.cli("flow-run", "retry", run_id)
    third = question(runbooks, run_id, asked(runbooks, run_id, 3))
    assert third.partition("## Plan ")[2] == first.partition("## Plan ")[2]
    assert made_smaller(etcd, before) == []
    accepted(runbooks, run_id, {})
    assert runbooks.end_of(run_id)["state_name"] == "Refused"


@pytest.mark.full
def test_an_answer_that_does_not_fit_the_form_aborts(runbooks: Runbooks, site: Site, etcd: EtcdCluster) -> None:
    """Prefect's check is passed by whoever writes the answer beside it."""
    before = sizes(etcd)
    run_id = start(runbooks, site)
    key = asked(runbooks, run_id)["state_details"]["run_input_keyset"]["response"]
    runbooks.wait_until(lambda: has_input(runbooks, run_id, key.replace("response", "schema")), "the form is there")
    wrong = {"key": key, "value": '{"decision": "approve", "force": true}'}
    runbooks.server.api("POST", f"/flow_runs/{run_id}/input", wrong)
    runbooks.server.api("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "SCHEDULED", "name": "Resuming"}})
    assert "the answer does not fit the form" in runbooks.end_of(run_id)["state"]["message"]
    assert made_smaller(etcd, before) == []


@pytest.mark.full
def test_figures_and_a_part_that_is_done_are_no_other_question(
    runbooks: Runbooks, site: Site, etcd: EtcdCluster
) -> None:
    """Somebody has written to etcd meanwhile, and has done a part of it by hand: what is left was approved, and is done."""
    run_id = start(runbooks, site)
    first = question(runbooks, run_id, asked(runbooks, run_id))
    assert changes(first) == 3
    etcd.etcdctl("put", "kube-runbooks/figure", "1" * 100_000)
    etcd.etcdctl("defrag", member=etcd["m1"])
    before = sizes(etcd)
    accepted(runbooks, run_id, {"run_input": APPROVE})
    assert runbooks.end_of(run_id)["state_name"] == "Completed"
    [report] = site.reports()
    assert report["approval"]["plan"] in first
    assert report["plan"]["digest"] != report["approval"]["plan"]
    assert (report["outcome"], report["attempt"]) == ("completed", 1)
    assert report["approval"] | {"plan": ""} == {"plan": "", "approved": True, **WHO}
    assert f"plan {report['approval']['plan']} was approved by Ada: INC-4711" in report_text(site)
    after = sizes(etcd)
    assert {name for name in after if after[name] < before[name]} == {"m2", "m3"}
    assert runbooks.end_of(start(runbooks, site))["state_name"] == "Completed"  # nothing is left to be asked about
    assert "nothing is worth a defragmentation" in site.reports()[-1]["summary"][0]


def report_text(site: Site) -> str:
    """The newest report, as people read it."""
    return site.read(max(key for key in site.keys(f"{site.name}/reports/") if key.endswith(".md"))).decode()


@pytest.mark.parametrize("by", [pytest.param("the report's next step", marks=pytest.mark.full), "the UI"])
def test_an_approval_holds_over_a_crash(by: str, runbooks: Runbooks, site: Site, etcd: EtcdCluster) -> None:
    """Killed right before the first act: the retry makes the same plan, and does it. The UI lets Prefect forget its pauses."""
    before = sizes(etcd)
    with S3Proxy(site.s3.endpoint) as proxy:
        site.write(store={"endpoint": proxy.endpoint})
        run_id = start(runbooks, site)
        asked(runbooks, run_id)
        journal = Hold(proxy.on(method="PUT", path="reports/etcd_maintenance/.*json", skip=4), RUN_LIMIT)
        accepted(runbooks, run_id, {"run_input": APPROVE})
        with journal:
            before_it = runbooks.worker.log.read_text().count(NOTICED)
            os.kill(int(runbooks.run(run_id)["infrastructure_pid"]), signal.SIGKILL)
        assert runbooks.end_of(run_id)["state_name"] == "Crashed"
        assert made_smaller(etcd, before) == []
        runbooks.wait_until(lambda: site.reports()[-1]["outcome"] == "crashed", "the crash's report")
        runbooks.wait_until(
            lambda: runbooks.worker.log.read_text().count(NOTICED) > before_it,
            "the worker knows that its process is gone",
        )
        if by == "the UI":
            again = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}}
            runbooks.server.api("POST", f"/flow_runs/{run_id}/set_state", again)
        else:
            runbooks.server.cli(*shlex.split(site.reports()[-1]["next_step"])[1:])
        assert runbooks.end_of(run_id)["state_name"] == "Completed"
    states = [state["name"] for state in runbooks.server.api("GET", f"/flow_run_states/?flow_run_id={run_id}")]
    assert states.count("Suspended") == 1
    assert site.reports()[-1]["approval"]["who"] == "Ada"
    after = sizes(etcd)
    assert all(after[name] < before[name] for name in before)


def test_a_question_that_nobody_answers_expires_and_a_cancelled_one_ends(
    runbooks: Runbooks, site: Site, etcd: EtcdCluster
) -> None:
    """Prefect ends the run by itself; the report has said so beforehand, for no process is left to say it afterwards."""
    before = sizes(etcd)
    run_id = start(runbooks, site, approve_within="1s")
    expired = runbooks.end_of(run_id)
    assert (expired["state_name"], expired["state"]["message"]) == ("Failed", "The flow was paused and never resumed.")
    [waiting] = site.reports()
    assert (waiting["outcome"], "without an answer by then Prefect fails the run" in waiting["summary"][1]) == (
        "waiting",
        True,
    )
    assert answer(runbooks, run_id, {"run_input": APPROVE})["status"] == "ABORT"

    later = start(runbooks, site)
    asked(runbooks, later)
    runbooks.server.api("POST", f"/flow_runs/{later}/set_state", {"state": {"type": "CANCELLING"}})
    assert runbooks.end_of(later)["state_name"] == "Cancelled"
    assert [report["outcome"] for report in site.reports()] == ["waiting", "waiting"]
    assert made_smaller(etcd, before) == []


def command(runbooks: Runbooks, *words: str) -> tuple[int, Any, str]:
    """What `kube-runbooks ... -o json` ends with: its status, its document, and what it says beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "kube_runbooks", *words, "-o", "json"],
        env=os.environ | {"PREFECT_API_URL": runbooks.server.api_url},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def typed(runbooks: Runbooks, *words: str) -> subprocess.CompletedProcess[str]:
    """What `kube-runbooks ...` prints for people."""
    environment = os.environ | {"PREFECT_API_URL": runbooks.server.api_url}
    command = [sys.executable, "-m", "kube_runbooks", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_command_starts_a_run_once_shows_its_plan_and_answers(runbooks: Runbooks, site: Site) -> None:
    """An idempotency key stands for one run; without a terminal nothing is answered unless --yes is given."""
    words = (
        "start",
        "etcd-maintenance",
        site.name,
        "--worth-reclaimable-mib",
        "1",
        "--worth-reclaimable-percent",
        "10",
    )
    key = ("--mode", "approve", "--idempotency-key", f"INC-{site.name}")
    status, run, _ = command(runbooks, *words, *key)
    assert status == 0
    asked(runbooks, run["run"])
    status, again, said = command(runbooks, *words, *key, "--follow")
    assert (status, again["run"], again["state"]) == (4, run["run"], "Suspended")
    assert run["name"] == again["name"] == f"maintenance-{site.name}"
    assert f"# etcd-maintenance of {site.name}: approve this plan?" in said
    shown = typed(runbooks, *words, *key, "--follow")
    assert shown.returncode == 4
    assert shown.stdout.startswith(f"# etcd-maintenance of {site.name}: approve this plan?")
    assert changes(shown.stdout) == 3
    assert shown.stdout.endswith(f"run {run['name']}: waiting\n")
    assert shown.stderr.endswith(
        f"run {run['name']} waits until someone approves or denies this plan\n"
        f"Next: kube-runbooks approve {run['run']}\n  or: kube-runbooks deny {run['run']}\n"
    )

    status, told, said = command(runbooks, "approve", run["run"])
    assert (status, told["problem"]) == (2, "there is no terminal to ask at")
    assert told["next_step"] == f"kube-runbooks approve {run['run']} --yes"
    assert f"# etcd-maintenance of {site.name}: approve this plan?" in said
    status, told, _ = command(runbooks, "approve", run["run"], "--yes", "--who", "Ada", "--reason", "INC-4711")
    assert (status, told["taken"]) == (0, True)
    assert runbooks.end_of(run["run"])["state"]["type"] == "COMPLETED"
    report = site.reports()[-1]
    shown = typed(runbooks, *words, *key, "--follow")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [*(f"- {line}" for line in report["summary"]), f"run {run['name']}: completed"]
    assert shown.stderr.endswith(f"The whole report: kube-runbooks report {run['run']}\n")
    assert f"Z Flow run '{run['name']}' - Finished in state Completed()\n" in shown.stderr
    named = [line for line in shown.stderr.splitlines() if "Finished in state" in line]
    assert all(re.match(r"\S+Z (Flow|Task) run '\S+' - ", line) for line in named)
    assert any(" Task run 'observe-etcd-" in line for line in named)
    assert report["approval"] | {"plan": ""} == {"plan": "", "approved": True, **WHO}
    status, told, _ = command(runbooks, "deny", run["run"], "--yes")
    assert (status, told["problem"]) == (1, f"run {run['run']} does not wait for an approval: it is Completed")


def test_the_command_denies(runbooks: Runbooks, site: Site, etcd: EtcdCluster) -> None:
    """The run is refused, and nothing was touched."""
    before = sizes(etcd)
    run_id = start(runbooks, site)
    question(runbooks, run_id, asked(runbooks, run_id))
    told = typed(runbooks, "deny", run_id, "--yes", "--who", "Ada")
    assert told.returncode == 0, told.stderr
    assert told.stderr.startswith(
        f"# etcd-maintenance of {site.name}: deny this plan?\n\nNothing has been changed yet."
    )
    assert changes(told.stderr) == 3
    for word in ("approve", "abort"):
        assert word not in told.stdout + told.stderr
    assert re.fullmatch(
        rf"denied by Ada: Prefect accepted the answer, and run maintenance-{site.name} is \w+. It ends as Refused and changes nothing.\n",
        told.stdout,
    )
    ended = runbooks.end_of(run_id)
    assert (ended["state"]["type"], ended["state_name"]) == ("FAILED", "Refused")
    assert made_smaller(etcd, before) == []
    assert site.reports()[-1]["outcome"] == "refused"
