"""Implements `kube-runbooks deploy`, which creates the deployments of every profile in the folder.

They are named `FLOW/CLUSTER`.
"""

import importlib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from kube_runbooks.bucket import INIT
from kube_runbooks.catalog import runbooks
from kube_runbooks.definitions import Definition, Timed, definitions_of
from kube_runbooks.outcome import OUTPUT, Exit, Output, complain, give_up, show_json
from kube_runbooks.run import as_json
from kube_runbooks.server import Server, ServerError, worker_command, workers_of

if TYPE_CHECKING:
    from prefect.client.schemas.actions import DeploymentScheduleCreate

Name = Annotated[str, Parameter(help="names of profiles; default: every profile in the folder")]
Runbooks = Annotated[
    tuple[str, ...], Parameter(name="--runbook", help="only this one; repeat it for several", negative="")
]
DryRun = Annotated[bool, Parameter(negative="", help="say what would be done, and change nothing")]
Out = Annotated[Output, OUTPUT]
Row = dict[str, Any]

PAGE = 200
"""Limits how many deployments a server lists at once."""


def deploy(*clusters: Name, runbook: Runbooks = (), dry_run: DryRun = False, output: Out = "text") -> Exit:
    """Create or update the deployments of all runbooks for each cluster. A schedule that somebody paused stays paused."""
    try:
        _check_names(runbook)
        server = Server.of_environment()
        server.ask("GET", "/health")
        pools = {str(one["name"]) for one in server.ask("POST", "/work_pools/filter", {})}
        there = _There(server, _known(server), pools)
    except ServerError as error:
        return give_up(error.ended, error.problem, error.next_step, output)
    rows: list[Row] = []
    wanted = _Wanted(clusters or tuple(_profiles()), runbook, dry_run=dry_run)
    for row in _rows(wanted, there):
        rows.append(row)
        told = f": {row['problem']}\nNext: {row['next_step']}" if row["problem"] else ""
        schedules = f" ({', '.join(row['schedules'])})" if row["schedules"] and not told else ""
        print(
            f"{row['deployment']}: {row['done']}{schedules}{told}", file=sys.stderr if output == "json" else sys.stdout
        )
    if output == "json":
        show_json(rows)
    if not rows:
        complain("there is no profile", f"write one with: {INIT}")
        return Exit.USAGE
    try:
        _say_next(server, rows, dry_run=dry_run)
    except ServerError as error:
        complain(error.problem, error.next_step)
    return Exit.FAILED if any(row["problem"] for row in rows) else Exit.OK


def _say_next(server: Server, rows: Iterable[Row], *, dry_run: bool) -> None:
    """Says on standard error what to type next: the same without --dry-run, or a worker for each pool without one."""
    pools = sorted({row["pool"] for row in rows if not row["problem"]})
    if pools and dry_run:
        print("Next: the same command without --dry-run", file=sys.stderr)
        return
    for pool in pools:
        if online := workers_of(server, pool):
            print(f"work pool {pool}: online: {', '.join(online)}", file=sys.stderr)
        else:
            print(f"Next: {worker_command(pool)}", file=sys.stderr)


def _profiles() -> list[str]:
    from tasks.core.profiles import known_clusters  # noqa: PLC0415 - imports Prefect: seconds that --help does not need
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    return known_clusters(Settings().clusters)


def _known(server: Server) -> dict[str, dict[str, Any]]:
    """Returns the deployments of the server, by flow and name."""
    flows = {one["id"]: one["name"] for one in _pages(server, "/flows/filter")}
    return {f"{flows.get(one['flow_id'])}/{one['name']}": one for one in _pages(server, "/deployments/filter")}


def _pages(server: Server, path: str) -> Iterable[dict[str, Any]]:
    offset = 0
    while found := server.ask("POST", path, {"limit": PAGE, "offset": offset}):
        yield from found
        offset += len(found)


class _Wanted(NamedTuple):
    clusters: tuple[str, ...]
    runbooks: tuple[str, ...]
    dry_run: bool


def _check_names(asked: tuple[str, ...]) -> None:
    known = [one.command for one in runbooks()]
    if unknown := [name for name in asked if name not in known]:
        raise ServerError(f"there is no runbook {', '.join(unknown)}", f"known are {', '.join(known)}", Exit.USAGE)


class _There(NamedTuple):
    """Describes a server, with its deployments by flow and name, and the names of its work pools."""

    server: Server
    known: Mapping[str, Mapping[str, Any]]
    pools: Collection[str]


def _rows(wanted: _Wanted, there: _There) -> Iterable[Row]:
    """Yields one row for each deployment as soon as it is done. A failed one does not hide the others."""
    from tasks.core.errors import Refused  # noqa: PLC0415 - as above
    from tasks.core.profiles import read_profile  # noqa: PLC0415 - as above
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    for cluster in wanted.clusters:
        try:
            profile = read_profile(Settings().clusters, cluster)
        except Refused as error:
            yield _row(f"*/{cluster}", "failed", problem=error.problem, next_step=error.hint)
            continue
        all_of_them = definitions_of(profile)
        commands = {one.command for one in all_of_them}
        for unknown in sorted(profile.schedules.keys() - commands):
            problem = f"schedules: there is no runbook {unknown}"
            yield _row(
                f"{unknown}/{cluster}", "failed", problem=problem, next_step=f"known are {', '.join(sorted(commands))}"
            )
        for one in all_of_them:
            if not wanted.runbooks or one.command in wanted.runbooks:
                yield _done(one, there, dry_run=wanted.dry_run)


def _row(deployment: str, done: str, *, problem: str = "", next_step: str = "") -> Row:
    return {
        "deployment": deployment,
        "done": done,
        "pool": "",
        "schedules": [],
        "removed": [],
        "problem": problem,
        "next_step": next_step,
    }


def _done(wanted: Definition, there: _There, *, dry_run: bool) -> Row:
    if wanted.pool not in there.pools:
        problem = f"the server has no work pool {wanted.pool!r}"
        return _row(
            wanted.name, "failed", problem=problem, next_step=f"prefect work-pool create {wanted.pool} --type process"
        )
    for schedule in wanted.schedules:
        if wrong := _what_is_wrong(wanted, schedule):
            return _row(
                wanted.name, "failed", problem=wrong, next_step=f"correct schedules: in the profile of {wanted.cluster}"
            )
    found = there.known.get(wanted.name, {})
    verb = "update" if found else "create"
    told = {
        "pool": wanted.pool,
        "schedules": [one.in_words for one in wanted.schedules],
        "removed": [_label(one) for one in _no_longer_wanted(wanted, found)],
    }
    if dry_run:
        return _row(wanted.name, f"would {verb}") | told
    try:
        _apply(wanted, found)
        if found:
            place = f"/deployments/{found['id']}"
            for one in _no_longer_wanted(wanted, there.server.ask("GET", place)):
                there.server.ask("DELETE", f"{place}/schedules/{one['id']}")
    except Exception as error:  # noqa: BLE001 - whatever it is: one that fails does not hide the others
        said = " ".join(str(error).split()) or type(error).__name__
        return _row(
            wanted.name, "failed", problem=said[:500], next_step="kube-runbooks deploy, once the server takes it"
        )
    return _row(wanted.name, f"{verb}d") | told


def _label(schedule: Mapping[str, Any]) -> str:
    return str(schedule.get("slug") or "one without a slug")


def _no_longer_wanted(wanted: Definition, found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Lists the schedules that the definition no longer has. Prefect would keep them."""
    names = {one.name for one in wanted.schedules}
    return [one for one in found.get("schedules") or () if one.get("slug") not in names]


def _what_is_wrong(wanted: Definition, schedule: Timed) -> str:
    """Checks a schedule with the parameters of its runs, and returns what is wrong, or an empty text.

    A run at night would be too late to report it.
    """
    from tasks.core.errors import Refused  # noqa: PLC0415 - as above

    read = as_json(wanted.flow, {**wanted.parameters, **schedule.parameters}, {}, "")
    return f"schedules: {wanted.command}: {schedule.name}: {read.problem}" if isinstance(read, Refused) else ""


def _apply(wanted: Definition, there: Mapping[str, Any]) -> None:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig  # noqa: PLC0415 - as above
    from prefect.types.entrypoint import EntrypointType  # noqa: PLC0415 - as above

    flow = getattr(importlib.import_module(f"flows.{wanted.flow}"), wanted.flow)
    known = {str(one.get("slug")): bool(one["active"]) for one in there.get("schedules") or ()}
    deployment = flow.to_deployment(
        name=wanted.cluster,
        paused=bool(there.get("paused")),
        description=wanted.description,
        tags=list(wanted.tags),
        parameters=wanted.parameters,
        schedules=[_scheduled(one, active=known.get(one.name, not one.starts_off)) for one in wanted.schedules],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(wanted.limit) if wanted.limit else None,
        work_pool_name=wanted.pool,
        job_variables=dict(wanted.job_variables),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    deployment.apply()


def _scheduled(one: Timed, *, active: bool) -> "DeploymentScheduleCreate":
    """Returns the schedule in the state that people gave it.

    Prefect recreates all schedules if one of them has no slug.
    """
    from prefect.client.schemas.actions import DeploymentScheduleCreate  # noqa: PLC0415 - as above
    from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415 - as above

    when = CronSchedule(cron=one.cron, timezone=one.time_zone)
    return DeploymentScheduleCreate(schedule=when, slug=one.name, parameters=dict(one.parameters), active=active)
