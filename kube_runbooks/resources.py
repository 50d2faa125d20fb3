"""Implements `kube-runbooks resources`, which reads the backups of a cluster's objects. It reads only the bucket."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from kube_runbooks.bucket import guarded, opened, row, show_rows
from kube_runbooks.outcome import OUTPUT, Exit, Output, give_up, show_json

if TYPE_CHECKING:
    from tasks.resources.models import Entry, Manifest

resources = App(name="resources", help="The backups of a cluster's objects, from its bucket alone.")

Name = Annotated[str, Parameter(help="name of the cluster's profile")]
BackupName = Annotated[
    str, Parameter(help="id of the backup, as `kube-runbooks resources list CLUSTER` lists it, or latest")
]
ObjectName = Annotated[str, Parameter(help="KIND/NAMESPACE/NAME, or KIND/NAME for an object without a namespace")]
Shown = Annotated[int, Parameter(help="show at most this many, the newest first")]
Out = Annotated[Output, OUTPUT]

WITH_NAMESPACE = 3


@resources.command(name="list")
def list_backups(cluster: Name, *, limit: Shown = 20, output: Out = "text") -> Exit:
    """List the backups of a cluster's objects, newest first, and whether each one is complete."""
    columns = ("objects", "one_instant", "bytes_added")

    def answer() -> Exit:
        from tasks.resources.store import resources_of  # noqa: PLC0415 - imports Prefect: seconds that --help does not need

        def told(backup: str) -> dict[str, object]:
            one = store.head(backup)
            figures = (one.index.entries, bool(one.instant), one.figures.new_bytes)
            return {"state": one.state, **dict(zip(columns, figures, strict=True))}

        with opened(cluster) as handle:
            store = resources_of(handle)
            rows = [row({"id": name}, columns, partial(told, name)) for name in map(str, store.known()[:limit])]
        return show_rows(rows, output, f"cluster {cluster} has no backup of its objects", ("id", "state", *columns))

    return guarded(answer, output)


@resources.command(name="show")
def show_object(cluster: Name, name: ObjectName, *, at: BackupName = "latest", output: Out = "text") -> Exit:
    """Show an object as a backup has it, as YAML. The values of a Secret stay encrypted: only its keys are shown."""

    def answer() -> Exit:
        import yaml  # noqa: PLC0415 - no other command needs it

        from tasks.resources.store import read_manifest, resources_of  # noqa: PLC0415 - as above

        with opened(cluster) as handle:
            manifest = read_manifest(handle.store, cluster, at)
            found = _named(manifest, name)
            if len(found) != 1:
                several = f"{len(found)} kinds have it: {', '.join(f'{one.resource}.{one.group}' for one in found)}"
                problem = f"backup {manifest.id} has no {name}" if not found else f"{name} is not clear: {several}"
                return give_up(
                    Exit.FAILED, problem, "name it KIND/NAMESPACE/NAME, with KIND as in deployments.apps", output
                )
            _, text = next(resources_of(handle).files(found))
        if output == "json":
            entry = found[0]
            head = {"backup": manifest.id, "writers": entry.writers, "resourceVersion": entry.resource_version}
            show_json(head | {"object": yaml.load(text, yaml.CSafeLoader)})
        else:
            print(text.decode(), end="")
        return Exit.OK

    return guarded(answer, output)


@resources.command(name="diff")
def diff_backups(cluster: Name, older: BackupName, newer: BackupName = "latest", *, output: Out = "text") -> Exit:
    """Show what changed between two backups: created, changed and deleted objects, who wrote them, and the difference of each."""

    def answer() -> Exit:
        from tasks.resources.compare import compare  # noqa: PLC0415 - as above
        from tasks.resources.policy.changes import to_text  # noqa: PLC0415 - as above
        from tasks.resources.store import read_manifest  # noqa: PLC0415 - as above

        with opened(cluster) as handle:
            before, after = (read_manifest(handle.store, cluster, one) for one in (older, newer))
            found = compare(handle, before, after)
        if output == "json":
            changes = [one.model_dump(mode="json") for one in found.changes]
            show_json(found.model_dump(mode="json") | {"changes": changes})
        else:
            print(f"from {found.older} to {found.newer}: {found.sentence}")
            print(
                *(f"not compared: {one}" for one in found.not_compared),
                sep="\n",
                end="\n" if found.not_compared else "",
            )
            print(to_text(found.changes), end="")
        return Exit.OK

    return guarded(answer, output)


def _named(manifest: "Manifest", name: str) -> "tuple[Entry, ...]":
    """Returns the objects of that name: none, one, or several of kinds with the same name."""
    kind, *rest = name.split("/")
    if not rest or len(rest) >= WITH_NAMESPACE:
        return ()
    namespace = rest[0] if len(rest) > 1 else ""
    return tuple(one for one in manifest.find(kind=kind, name=rest[-1]) if one.namespace == namespace)
