"""Implements `kube-runbooks start`, `approve` and `deny`, which use the API of a Prefect server.

They handle runs of a deployment over plain HTTP. Importing Prefect takes seconds, and an answer to a plan should
not.
"""

import getpass
import os
import sys
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple, Self

import httpx
from cyclopts import Parameter

from kube_runbooks.bucket import lists
from kube_runbooks.catalog import Entry
from kube_runbooks.outcome import OUTPUT, SCHEMA, Exit, Output, complain, give_up, show_json

SERVER = "PREFECT_API_URL"
TRIES, WAIT_SECONDS = 8, 2.0
"""Defines how many times a request is sent, and the seconds between two attempts.

A server on SQLite answers 503 while its database is locked. A server that restarts is unavailable for a while.
"""

LOOK_SECONDS = 2.0
"""Defines the seconds between two queries for the state of a run."""

QUIET_LOOKS = 3
"""Defines how many queries in a row must find no new line before a log is complete. Prefect sends its last lines late."""

ENDED = {"COMPLETED": Exit.OK, "FAILED": Exit.FAILED, "CRASHED": Exit.FAILED, "CANCELLED": Exit.FAILED}
REFUSED = "Refused"
"""Names the state of a run that a rule has stopped. The type of that state is FAILED."""

NEXT_IN_MESSAGE = " Next: "
"""Separates the problem from the next step in the message of a state."""

Who = Annotated[str | None, Parameter(help="your name, for the report; default: the name of your login")]
Reason = Annotated[str, Parameter(help="for the report, for example the number of a ticket")]
Rollback = Annotated[
    bool | None, Parameter(help="for workload-rollout: whether a rollout that fails is put back; default: its option")
]
Yes = Annotated[bool, Parameter(negative="", help="do not ask; needed where there is no terminal")]
Run = Annotated[str, Parameter(help="id of the flow run")]
Out = Annotated[Output, OUTPUT]


class ServerError(Exception):
    """Signals that the server does not answer, or answers without the requested data.

    `next_step` says what to do.
    """

    def __init__(self, problem: str, next_step: str, ended: Exit = Exit.FAILED) -> None:
        super().__init__(problem)
        self.problem, self.next_step, self.ended = problem, next_step, ended


class Started(NamedTuple):
    """Holds the input for starting a run of a deployment."""

    entry: Entry
    arguments: Mapping[str, Any]
    key: str
    deployment: str
    name: str
    """The name that the run has as soon as its flow begins. Until then Prefect would show an invented one."""


class Server:
    """Calls the API of a Prefect server.

    A request without an answer is sent again. This includes the start of a run, which its key identifies.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(base_url=self._url, timeout=30.0)

    @classmethod
    def of_environment(cls) -> Self:
        """Returns the server of PREFECT_API_URL.

        Raises:
            ServerError: PREFECT_API_URL is not set.
        """
        url = os.environ.get(SERVER, "")
        if not url:
            raise ServerError(f"{SERVER} is not set", f"export {SERVER}=http://HOST:4200/api", Exit.USAGE)
        return cls(url)

    def ask(self, method: str, path: str, body: object = None, *, missing: str = "") -> Any:  # noqa: ANN401 - JSON
        """Sends a request and returns the answer, or None if the answer is empty.

        `missing` is the error message for the answer 404: it says what does not exist.
        """
        said = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(WAIT_SECONDS)
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                said = str(error) or type(error).__name__
                continue
            if answer.status_code < HTTPStatus.BAD_REQUEST:
                return answer.json() if answer.content else None
            said = _words(answer)
            if answer.status_code == HTTPStatus.NOT_FOUND and missing:
                raise ServerError(missing, "check the id, and PREFECT_API_URL", Exit.USAGE)
            if (
                answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
                and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS
            ):
                raise ServerError(f"the Prefect server refuses: {said}", "correct the parameters", Exit.USAGE)
        raise ServerError(f"the Prefect server at {self._url} does not answer: {said}", f"curl {self._url}/health")

    def deployment(self, wanted: Started) -> dict[str, Any]:
        """Returns the deployment of the runbook for the requested cluster, or the one that was requested by name."""
        found = self.ask("POST", "/deployments/filter", {"flows": {"name": {"any_": [wanted.entry.flow]}}})
        if not found:
            problem = f"the server has no deployment of {wanted.entry.flow}"
            raise ServerError(problem, "kube-runbooks deploy", Exit.USAGE)
        if wanted.deployment:
            fitting = [one for one in found if one["name"] == wanted.deployment]
        else:
            fitting = _of_cluster(found, wanted.arguments.get("cluster"))
        if len(fitting) == 1:
            return dict(fitting[0])
        problem = f"deployments of {wanted.entry.flow}: {', '.join(sorted(one['name'] for one in found))}"
        raise ServerError(problem, "kube-runbooks deploy, or name one of them with --deployment", Exit.USAGE)

    def run(self, run: str) -> dict[str, Any]:
        """Returns a flow run."""
        return dict(self.ask("GET", f"/flow_runs/{_is_id(run)}", missing=f"the server has no flow run {run}"))

    def question(self, run: str) -> str:
        """Returns the plan for which a run awaits approval, as its form shows it."""
        state = self.run(run)["state"]
        keys = (state.get("state_details") or {}).get("run_input_keyset") or {}
        if state["type"] != "PAUSED" or "description" not in keys:
            problem = f"run {run} does not wait for an approval: it is {state['name']}"
            raise ServerError(problem, f"kube-runbooks report {run}")
        return str(self.ask("GET", f"/flow_runs/{run}/input/{keys['description']}"))

    def question_soon(self, run: str) -> str:
        """Returns the same for a run that has just begun to wait: Prefect stores the form right after the state."""
        for _ in range(TRIES):
            try:
                return self.question(run)
            except ServerError:
                time.sleep(WAIT_SECONDS)
        return self.question(run)

    def names_of_tasks(self, ids: Collection[str]) -> dict[str, str]:
        """Returns the name of each task run, by its id."""
        if not ids:
            return {}
        found = self.ask("POST", "/task_runs/filter", {"task_runs": {"id": {"any_": sorted(ids)}}})
        return {str(one["id"]): str(one["name"]) for one in found}

    def summary(self, run: Mapping[str, Any]) -> list[str]:
        """Returns what the report of a run says first, from its page in the UI; nothing if it has no such page."""
        wanted = {"flow_run_id": {"any_": [run["id"]]}, "type": {"any_": ["markdown"]}}
        pages = [
            str(one["data"])
            for one in self.ask("POST", "/artifacts/filter", {"artifacts": wanted, "sort": "CREATED_DESC"})
            if str(one["key"]).endswith("-report")
        ]
        details = pages[0].partition("## Details")[2] if pages else ""
        lines = details.partition(f"- run {run['name']} (")[0].splitlines()
        return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def _of_cluster(found: Sequence[dict[str, Any]], cluster: object) -> list[dict[str, Any]]:
    """Returns the deployments of the cluster. Without one, those that are for any cluster, as in prefect.yaml.

    `kube-runbooks deploy` names a deployment after its cluster: it is for no other one.
    """
    own = [one for one in found if one["parameters"].get("cluster") == cluster]
    return own or [one for one in found if one["parameters"].get("cluster") != one["name"]]


def workers_of(server: Server, pool: str) -> list[str]:
    """Returns the names of a work pool's workers that are online."""
    workers = server.ask("POST", f"/work_pools/{pool}/workers/filter", {})
    return sorted(str(one["name"]) for one in workers if one.get("status") == "ONLINE")


def worker_command(pool: str) -> str:
    """Returns the command that starts a worker of a work pool."""
    return f"prefect worker start --pool {pool}"


def start(wanted: Started, output: Output, *, follow: bool) -> Exit:
    """Starts a run of the runbook's deployment. A second call with the same key returns the run of the first call."""
    try:
        server = Server.of_environment()
        deployment = server.deployment(wanted)
        key = wanted.key or str(uuid.uuid4())
        body = {"parameters": dict(wanted.arguments), "idempotency_key": key}
        if wanted.name:
            body["name"] = wanted.name
        run = server.ask("POST", f"/deployments/{deployment['id']}/create_flow_run", body)
        print(f"run {run['name']} ({run['id']}) of {wanted.entry.flow}/{deployment['name']}", file=sys.stderr)
        if follow:
            return _show_end(server, _followed(server, run["id"]), output)
    except ServerError as error:
        return _failed(error, output)
    if output == "json":
        show_json(_told(run))
    else:
        print(run["id"])
    return Exit.OK


def approve(  # noqa: PLR0913 - a form's fields
    run: Run,
    *,
    who: Who = None,
    reason: Reason = "",
    rollback: Rollback = None,
    yes: Yes = False,
    output: Out = "text",
) -> Exit:
    """Show the plan of a run that waits, ask, and approve it. The run then observes and plans again."""
    choices = {} if rollback is None else {"rollback": rollback}
    return _answer(run, APPROVE, who, reason, choices, yes=yes, output=output)


def deny(run: Run, *, who: Who = None, reason: Reason = "", yes: Yes = False, output: Out = "text") -> Exit:
    """Show the plan of a run that waits, ask, and deny it. The run then ends as Refused and changes nothing."""
    return _answer(run, DENY, who, reason, {}, yes=yes, output=output)


class _Decision(NamedTuple):
    """Holds the words for an answer, and the word that the form of the run has for it."""

    word: str
    done: str
    in_form: str
    then: str


APPROVE = _Decision("approve", "approved", "approve", "It observes the cluster again before it acts.")
DENY = _Decision("deny", "denied", "abort", "It ends as Refused and changes nothing.")


def _answer(  # noqa: PLR0913 - a form's fields
    run: str,
    decision: _Decision,
    who: str | None,
    reason: str,
    choices: Mapping[str, bool],
    *,
    yes: bool,
    output: Output,
) -> Exit:
    try:
        server = Server.of_environment()
        print(_asked(server.question(run), decision), file=sys.stderr)
        again = f"kube-runbooks {decision.word} {run}"
        if not yes and not _is_wanted(f"{decision.word} this plan", f"{again} --yes"):
            complain("no answer was sent; the run still waits", again)
            return Exit.WAITING
        name = who or getpass.getuser()
        form = {"decision": decision.in_form, "who": name, "reason": reason, **choices}
        made = server.ask("POST", f"/flow_runs/{run}/resume", {"run_input": form})
        status = str(made.get("status"))
        taken = status == "ACCEPT"
        now = server.run(run) if taken else {}
    except ServerError as error:
        return _failed(error, output)
    why = str((made.get("details") or {}).get("reason") or "")
    state = (now.get("state") or {}).get("name", "")
    if output == "json":
        told = {"run": run, "decision": decision.word, "who": name, "taken": taken, "state": state, "problem": why}
        show_json({"schema": SCHEMA, **told})
    elif taken:
        print(
            f"{decision.done} by {name}: Prefect accepted the answer, and run {now['name']} is {state}. {decision.then}"
        )
        print(f"Its report, once it has finished: kube-runbooks report {run}", file=sys.stderr)
    if not taken:
        complain(f"Prefect did not accept the answer ({status}): {why}", f"kube-runbooks report {run}")
    return Exit.OK if taken else Exit.FAILED


def _asked(question: str, decision: _Decision) -> str:
    """Returns the plan under the question of this decision. The run's own form asks for an approval."""
    if decision is APPROVE:
        return question
    head, _, rest = question.partition("\n\n")
    _, _, plan = rest.partition("\n\n")
    told = "Nothing has been changed yet. If you deny this plan, the run ends as Refused and changes nothing."
    return f"{head.partition(':')[0]}: deny this plan?\n\n{told}\n\n{plan}"


def _is_wanted(what: str, without_asking: str) -> bool:
    if not sys.stdin.isatty():
        raise ServerError("there is no terminal to ask at", without_asking, Exit.USAGE)
    print(f"Type yes to {what}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == "yes"


def _followed(server: Server, run: str) -> dict[str, Any]:
    """Follows a run until it finishes or waits for approval, and returns it.

    Meanwhile it writes the log of the run to standard error.
    """
    shown, quiet = 0, 0
    names: dict[str, str] = {}
    while True:
        found = server.run(run)
        body = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "offset": shown, "limit": 200}
        lines = server.ask("POST", "/logs/filter", body)
        shown += len(lines)
        names |= server.names_of_tasks({one["task_run_id"] for one in lines if one.get("task_run_id")} - names.keys())
        for line in lines:
            task = names.get(line.get("task_run_id") or "")
            whose = f"Task run '{task}'" if task else f"Flow run '{found['name']}'"
            print(f"{line['timestamp'][:19]}Z {whose} - {line['message']}", file=sys.stderr)
        over = not lines and (found["state"]["type"] in ENDED or found["state"]["type"] == "PAUSED")
        quiet = quiet + 1 if over else 0
        if quiet == QUIET_LOOKS:
            return found
        if not lines:
            time.sleep(LOOK_SECONDS)


def _show_end(server: Server, run: Mapping[str, Any], output: Output) -> Exit:
    """Shows how a run ended, as `kube-runbooks run` does, or the plan for which it waits."""
    state = run["state"]
    if state["type"] == "PAUSED":
        return _show_waiting(server, run, output)
    if output == "json":
        show_json(_told(run))
    else:
        for line in server.summary(run):
            print(f"- {line}")
        print(f"run {run['name']}: {str(state['name']).lower()}")
        if state["name"] not in {"Completed", "Skipped"} and (message := state.get("message")):
            problem, _, next_step = message.partition(NEXT_IN_MESSAGE)
            complain(problem, next_step or f"kube-runbooks report {run['id']}")
        print(f"The whole report: kube-runbooks report {run['id']}", file=sys.stderr)
    return Exit.REFUSED if state["name"] == REFUSED else ENDED[state["type"]]


def _show_waiting(server: Server, run: Mapping[str, Any], output: Output) -> Exit:
    plan = server.question_soon(str(run["id"]))
    print(plan, file=sys.stderr if output == "json" else sys.stdout)
    if output == "json":
        show_json(_told(run))
    else:
        print(f"run {run['name']}: waiting")
    complain(
        f"run {run['name']} waits until someone approves or denies this plan",
        f"kube-runbooks approve {run['id']}\n  or: kube-runbooks deny {run['id']}",
    )
    return Exit.WAITING


def _told(run: Mapping[str, Any]) -> dict[str, Any]:
    state = run["state"] or {}
    message = state.get("message") or ""
    return {"schema": SCHEMA, "run": run["id"], "name": run["name"], "state": state.get("name", ""), "message": message}


def _failed(error: ServerError, output: Output) -> Exit:
    return give_up(error.ended, error.problem, error.next_step, output)


def _words(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        told = answer.text
    said = told.get("detail", told) if isinstance(told, dict) else told
    return f"{answer.status_code} {said}"[:500]


def _is_id(run: str) -> str:
    try:
        return str(uuid.UUID(run))
    except ValueError:
        raise ServerError(f"{run!r} is no id of a flow run", lists("reports", None), Exit.USAGE) from None
