"""Implements `kube-runbooks check`, which diagnoses the profile of a cluster.

It reports what works, what does not, and the fix.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from kube_runbooks.bucket import INIT
from kube_runbooks.catalog import runbooks
from kube_runbooks.definitions import pool_of_project
from kube_runbooks.outcome import OUTPUT, SCHEMA, Exit, Output, give_up, show_json
from kube_runbooks.server import SERVER, Server, ServerError, worker_command, workers_of
from tasks.core.commands import command_of, filled
from tasks.core.words import counted

if TYPE_CHECKING:
    from tasks.check.models import Finding

Name = Annotated[str, Parameter(help="of profiles; default: every profile in the folder")]
Out = Annotated[Output, OUTPUT]

EXPLAINED = "docs/profile.md explains every field"

PAGE = 200
"""Limits how many deployments a server lists at once."""


class Row(NamedTuple):
    """Holds a finding and the cluster that it belongs to. A finding about the Prefect server belongs to none."""

    cluster: str
    finding: "Finding"


def check(*clusters: Name, output: Out = "text") -> Exit:
    """Check everything that runbooks of a cluster need: profile, keys, nodes, API, etcd, bucket, Prefect.

    The check leaves nothing behind.
    """
    from tasks.core.profiles import (  # noqa: PLC0415 - imports Prefect: seconds that --help does not need
        OTHER_FOLDER,
        known_clusters,
    )
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    folder = Settings().clusters
    known = known_clusters(folder)
    if unknown := sorted(set(clusters) - set(known)):
        write_one = f"write it with: kube-runbooks init {unknown[0]} --kubeconfig PATH; or {OTHER_FOLDER}"
        known_are = f"known are {', '.join(known)}; or {write_one}" if known else write_one
        return give_up(Exit.USAGE, f"{folder} has no profile of {', '.join(unknown)}", known_are, output)
    if not known:
        return give_up(Exit.USAGE, f"{folder} has no profile", f"write one with: {INIT}; or {OTHER_FOLDER}", output)
    asked = clusters or tuple(known)
    rows: list[Row] = []
    for some in _rows(asked):
        rows += some
        if output == "text":
            _show(some)
    failed = [row for row in rows if row.finding.state == "fail"]
    if output == "json":
        findings = [{"cluster": row.cluster, **row.finding.model_dump(mode="json")} for row in rows]
        show_json({"schema": SCHEMA, "outcome": "failed" if failed else "completed", "findings": findings})
    print(_counted([str(row.finding.state) for row in rows]), file=sys.stderr)
    return Exit.CHECK_FAILED if failed else Exit.OK


def _counted(states: Sequence[str]) -> str:
    """Returns how many findings there are of each state: `9 checks: 2 failed, 0 warnings, 6 not checked`."""
    skipped = f", {states.count('skip')} not checked" if "skip" in states else ""
    warnings = counted(states.count("warn"), "warning")
    return f"{counted(len(states), 'check')}: {states.count('fail')} failed, {warnings}{skipped}"


def _rows(clusters: Sequence[str]) -> Iterator[list[Row]]:
    """Yields the findings of each cluster as soon as it is checked, then those of Prefect."""
    for cluster in clusters:
        yield [Row(cluster, one.model_copy(update={"fix": filled(one.fix, cluster)})) for one in _of_cluster(cluster)]
    yield list(_of_prefect(clusters))


def _of_cluster(cluster: str) -> Iterator["Finding"]:
    from tasks.check.observe import check_cluster  # noqa: PLC0415 - as above
    from tasks.cluster import Cluster  # noqa: PLC0415 - as above
    from tasks.core import redaction  # noqa: PLC0415 - as above
    from tasks.core.errors import Refused  # noqa: PLC0415 - as above
    from tasks.core.models.profile import ClusterProfile  # noqa: PLC0415 - as above
    from tasks.core.profiles import path_of, profile_or_wrong_fields  # noqa: PLC0415 - as above
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    redaction.install()
    logging.getLogger("prefect.runbooks").setLevel(logging.ERROR)  # the findings say the same
    folder, file = Settings().clusters, f"{cluster}.yaml"
    path = path_of(folder, cluster)
    try:
        profile = profile_or_wrong_fields(folder, cluster)
    except Refused as error:
        yield _finding("profile", file, "fail", error.problem.removeprefix(f"{path}: "), error.hint)
        return
    if not isinstance(profile, ClusterProfile):
        for wrong in profile:
            told = wrong._replace(field="").in_words
            yield _finding("profile", wrong.field or file, "fail", told, f"edit {path}; {EXPLAINED}")
        return
    commands = {one.command for one in runbooks()}
    if unknown := sorted(profile.schedules.keys() - commands):
        problem = f"schedules: there is no runbook {', '.join(unknown)}"
        yield _finding("profile", file, "fail", problem, f"known are {', '.join(sorted(commands))}")
    else:
        yield _finding("profile", file, "ok", f"{counted(len(profile.nodes), 'node')}, bucket {profile.store.bucket}")
    yield from check_cluster(Cluster(profile))


def _of_prefect(clusters: Sequence[str]) -> Iterator[Row]:
    """Checks the Prefect server, if one is configured.

    Runbooks also run without a server, so no finding about it is more than a warning.
    """
    if not os.environ.get(SERVER):
        return
    try:
        server = Server.of_environment()
        server.ask("GET", "/health")
        yield Row("", _finding("prefect", "server", "ok", f"{os.environ[SERVER]} answers"))
        yield Row("", _of_pool(server, pool_of_project()))
        found = list(_deployments(server))
    except ServerError as error:
        yield Row("", _finding("prefect", "server", "warn", error.problem, error.next_step))
        return
    for cluster in clusters:
        yield Row(cluster, _of_deployments(cluster, found))


def _of_pool(server: Server, name: str) -> "Finding":
    pools = {str(one["name"]) for one in server.ask("POST", "/work_pools/filter", {})}
    if name not in pools:
        fix = f"prefect work-pool create {name} --type process"
        return _finding("prefect", f"work pool {name}", "warn", "there is none", fix)
    online = workers_of(server, name)
    if not online:
        told = "no worker of it is online, so no run starts"
        return _finding("prefect", f"work pool {name}", "warn", told, worker_command(name))
    return _finding("prefect", f"work pool {name}", "ok", f"online: {', '.join(online)}")


def _deployments(server: Server) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yields each deployment of the server, with the name of its flow."""
    flows = {one["id"]: str(one["name"]) for one in server.ask("POST", "/flows/filter", {})}
    offset = 0
    while found := server.ask("POST", "/deployments/filter", {"limit": PAGE, "offset": offset}):
        yield from ((flows.get(one["flow_id"], ""), one) for one in found)
        offset += len(found)


def _of_deployments(cluster: str, found: Iterable[tuple[str, Mapping[str, Any]]]) -> "Finding":
    there = {command_of(flow) for flow, one in found if one["parameters"].get("cluster") == cluster}
    missing = sorted({one.command for one in runbooks()} - there)
    if missing:
        told = f"no deployment of {', '.join(missing)}"
        return _finding("prefect", "deployments", "warn", told, f"kube-runbooks deploy {cluster}")
    return _finding("prefect", "deployments", "ok", f"one for each of {counted(len(there), 'runbook')}")


def _finding(area: str, subject: str, state: str, told: str, fix: str = "") -> "Finding":
    from tasks.check.models import Finding, State  # noqa: PLC0415 - as above

    return Finding(area=area, subject=subject, state=State(state), told=told, fix=fix)


def _show(rows: Sequence[Row]) -> None:
    """Prints a line for each finding, and its next step below it. The same next step of several lines is below the last."""
    for index, (cluster, found) in enumerate(rows):
        print(f"{found.state:<4}  {cluster or '-':<12}  {found.area:<11}  {found.subject}: {found.told}")
        if found.fix and (index + 1 == len(rows) or rows[index + 1].finding.fix != found.fix):
            print(f"      Next: {found.fix}")
