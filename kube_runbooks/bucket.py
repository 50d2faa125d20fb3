"""Implements `kube-runbooks backups` and `reports`, which read a cluster's bucket.

They read only the bucket and never query a Prefect server.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from kube_runbooks.outcome import OUTPUT, Exit, Output, give_up, show_json
from tasks.core.commands import command_of, filled

if TYPE_CHECKING:
    from tasks.backup.models.backups import BackupId
    from tasks.cluster import Cluster

backups = App(name="backups", help="The backups of a cluster, newest first, from its bucket alone.")
reports = App(name="reports", help="The reports of a cluster's runs, newest first, from its bucket alone.")

Shown = Annotated[int, Parameter(help="show at most this many, the newest first")]
Name = Annotated[str, Parameter(help="name of the cluster's profile")]
InCluster = Annotated[
    str | None, Parameter(help="name of the cluster's profile; default: the bucket of every profile is searched")
]
BackupName = Annotated[str, Parameter(help="id of the backup, as `kube-runbooks backups` lists it")]
RunName = Annotated[str, Parameter(help="id of the run, as `kube-runbooks reports` lists it")]
Out = Annotated[Output, OUTPUT]


@backups.default
def list_backups(cluster: Name, *, limit: Shown = 20, output: Out = "text") -> Exit:
    """List the backups of a cluster, newest first, with ID, age, size, and what was verified."""
    columns = ("taken_at", "bytes", "drill", "pki")

    def answer() -> Exit:
        from tasks.backup.store import backups_of  # noqa: PLC0415 - imports Prefect: seconds that --help does not need

        def told(name: "BackupId") -> dict[str, object]:
            one = store.read(name)
            return {
                "taken_at": f"{one.snapshot.taken_at:%Y-%m-%dT%H:%M:%SZ}",
                "bytes": one.snapshot.stored.size,
                "drill": one.drill is not None,
                "pki": one.pki is not None,
            }

        with opened(cluster) as handle:
            store = backups_of(handle)
            newest = reversed(store.known()[-limit:])
            rows = [row({"id": str(one)}, columns, partial(told, one)) for one in newest]
        return show_rows(rows, output, f"cluster {cluster} has no backup", ("id", "state", *columns))

    return guarded(answer, output)


@backups.command(name="show")
def show_backup(backup: BackupName, *, cluster: InCluster = None, output: Out = "text") -> Exit:
    """Show the manifest of a backup: what was backed up, where it is stored, and what was verified."""

    def answer() -> Exit:
        from tasks.backup.models.backups import BackupId  # noqa: PLC0415 - as above
        from tasks.backup.store import backups_of  # noqa: PLC0415 - as above

        asked = BackupId.parse(backup)
        if asked is None:
            return give_up(Exit.USAGE, f"{backup!r} is no id of a backup", lists("backups", cluster), output)
        for name in _names(cluster):
            with opened(name) as handle:
                store = backups_of(handle)
                if asked in store.known():
                    manifest = store.read(asked).model_dump(mode="json")
                    return show_manifest(manifest, output)
        return give_up(Exit.FAILED, f"there is no backup {backup}", lists("backups", cluster), output)

    return guarded(answer, output)


@reports.default
def list_reports(cluster: Name, *, limit: Shown = 20, output: Out = "text") -> Exit:
    """List the reports of a cluster's runs, newest first, with the time, the runbook, its mode and the outcome."""
    columns = ("started_at", "runbook", "mode", "outcome", "problem")

    def answer() -> Exit:
        def told(key: str) -> dict[str, object]:
            one = _read(handle, key)
            shown = {name: one[name] for name in columns}
            return shown | {"runbook": command_of(one["runbook"]), "mode": one["mode"] or None}

        with opened(cluster) as handle:
            rows = [row({"run": _run_of(key)}, columns, partial(told, key)) for key in _keys(handle)[:limit]]
        return show_rows(rows, output, f"cluster {cluster} has no report", ("run", "state", *columns[:-1]))

    return guarded(answer, output)


def show_report(run: RunName, *, cluster: InCluster = None, output: Out = "text") -> Exit:
    """Show the report of a run by its ID.

    The report contains what was done and verified, what is left, and the next command.
    """

    def answer() -> Exit:
        from tasks.core.models.report import Report  # noqa: PLC0415 - as above
        from tasks.run.markdown import to_markdown  # noqa: PLC0415 - as above

        for name in _names(cluster):
            with opened(name) as handle:
                keys = [key for key in _keys(handle) if key.endswith(f"-{run}.json")]
                if not keys:
                    continue
                report = _read(handle, keys[0])
                if output == "json":
                    show_json(report)
                else:
                    print(to_markdown(Report.model_validate(report)))
                return Exit.OK
        look = f"{lists('reports', cluster)}; a run is named by its whole id"
        return give_up(Exit.FAILED, f"there is no report of run {run}", look, output)

    return guarded(answer, output)


INIT = "kube-runbooks init NAME --kubeconfig PATH"
"""Writes the first profile."""


class WrongProfileError(Exception):
    """Signals that no profile of this name exists, or that the profile is invalid."""


@contextmanager
def opened(name: str) -> "Iterator[Cluster]":
    """Opens a cluster by name, and closes its connections at the end."""
    from tasks.cluster import open_cluster  # noqa: PLC0415 - as above
    from tasks.core.errors import Refused, RunbookError  # noqa: PLC0415 - as above

    try:
        handle = open_cluster(name)
    except Refused as error:
        raise WrongProfileError from error
    try:
        yield handle
    except RunbookError as error:
        error.hint = filled(error.hint, name)
        raise
    finally:
        handle.close()


def _names(cluster: str | None) -> Sequence[str]:
    from tasks.core.profiles import known_clusters  # noqa: PLC0415 - as above
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    return [cluster] if cluster else known_clusters(Settings().clusters)


def lists(what: str, cluster: str | None) -> str:
    """Returns the commands that list the backups or reports of the cluster, or of each profile."""
    return " or ".join(f"kube-runbooks {what} {name}" for name in _names(cluster)) or INIT


def _keys(handle: "Cluster") -> list[str]:
    """Returns the keys of the reports, newest first. Report names begin with the time."""
    prefix = handle.store.key(handle.profile.name, "reports") + "/"
    keys = (found.key for found in handle.store.objects(prefix) if found.key.endswith(".json"))
    return sorted(keys, key=lambda key: key.rpartition("/")[2], reverse=True)


def _run_of(key: str) -> str:
    """Returns the id of a report's run, which follows the time in its name."""
    return key.rpartition("/")[2].removesuffix(".json").partition("-")[2]


def _read(handle: "Cluster", key: str) -> dict[str, Any]:
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    from tasks.core.errors import Refused  # noqa: PLC0415 - as above
    from tasks.core.models.report import Report  # noqa: PLC0415 - as above
    from tasks.core.wrong_fields import places_of  # noqa: PLC0415 - as above

    try:
        return Report.model_validate_json(handle.store.get(key)).model_dump(mode="json")
    except ValidationError as error:
        problem = f"{handle.store.uri(key)} is no report that this version can read: {places_of(error)}"
        raise Refused(problem, hint="read it in the bucket; the Markdown beside it says the same") from None


def guarded(answer: Callable[[], Exit], output: Output) -> Exit:
    """Runs a command and turns an error into a message and an exit status, as in the other commands."""
    from tasks.core.errors import Refused, RunbookError  # noqa: PLC0415 - as above

    try:
        return answer()
    except WrongProfileError as error:
        cause, ended = error.__cause__, Exit.USAGE
    except RunbookError as error:
        cause, ended = error, Exit.REFUSED if isinstance(error, Refused) else Exit.FAILED
    problem, hint = (cause.problem, cause.hint) if isinstance(cause, RunbookError) else (str(cause), "")
    return give_up(ended, problem, hint, output)


def row(name: dict[str, object], fields: Sequence[str], told: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Returns a line of a list: the name, a state, and what `told` reads. What cannot be read hides no other line."""
    from tasks.core.errors import Refused  # noqa: PLC0415 - as above

    try:
        return name | {"state": "complete"} | told()
    except Refused as error:
        return name | {"state": f"cannot be read: {error.problem}"} | dict.fromkeys(fields)


def show_manifest(manifest: dict[str, Any], output: Output) -> Exit:
    """Print a manifest, as JSON or as YAML."""
    import yaml  # noqa: PLC0415 - no other command needs it

    if output == "json":
        show_json(manifest)
    else:
        print(yaml.safe_dump(manifest, sort_keys=False), end="")
    return Exit.OK


def show_rows(rows: Sequence[dict[str, Any]], output: Output, nothing: str, columns: Sequence[str]) -> Exit:
    """Prints rows as a table or as JSON; `nothing` is the text for no rows."""
    if output == "json":
        show_json(rows)
        return Exit.OK
    if not rows:
        print(nothing)
        return Exit.OK
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    head = [column.upper().replace("_", " ") for column in columns]
    widths = [max(len(line[index]) for line in (head, *cells)) for index in range(len(columns))]
    for line in (head, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return Exit.OK


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
