"""Implements `kube-runbooks volumes`, which reads the backups of a cluster's volumes. It reads only the bucket."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from kube_runbooks.bucket import Name, Out, Shown, guarded, opened, row, show_manifest, show_rows
from kube_runbooks.outcome import Exit, give_up

if TYPE_CHECKING:
    from tasks.volumes.models.backups import VolumeBackupId

volumes = App(name="volumes", help="The backups of a cluster's volumes, from its bucket alone.")

BackupName = Annotated[
    str, Parameter(help="id of the backup, as `kube-runbooks volumes list CLUSTER` lists it, or latest")
]


@volumes.command(name="list")
def list_backups(cluster: Name, *, limit: Shown = 20, output: Out = "text") -> Exit:
    """List the backups of a cluster's volumes, newest first, with what each selected, and how many snapshots and archives it has."""
    columns = ("snapshots", "archives", "left_out", "selection")

    def answer() -> Exit:
        from tasks.volumes.store import volumes_of  # noqa: PLC0415 - imports Prefect: seconds that --help does not need

        def told(name: "VolumeBackupId") -> dict[str, object]:
            backup = store.read(name)
            return {
                "snapshots": len(backup.records),
                "archives": len(backup.archives),
                "left_out": len(backup.left_out),
                "selection": backup.selection.in_words,
            }

        with opened(cluster) as handle:
            store = volumes_of(handle)
            rows = [row(_named(one), columns, partial(told, one)) for one in reversed(store.known()[-limit:])]
        return show_rows(rows, output, f"cluster {cluster} has no backup of its volumes", ("id", "state", *columns))

    return guarded(answer, output)


def _named(name: "VolumeBackupId") -> dict[str, object]:
    return {"id": str(name), "taken_at": f"{name.taken_at:%Y-%m-%dT%H:%M:%SZ}", "series": name.series}


@volumes.command(name="show")
def show_backup(cluster: Name, backup: BackupName = "latest", *, output: Out = "text") -> Exit:
    """Show the manifest of a backup of volumes: each snapshot with its handle at the storage, each archive with its object, and what was left out."""

    def answer() -> Exit:
        from tasks.volumes.store import volumes_of  # noqa: PLC0415 - as above

        with opened(cluster) as handle:
            store = volumes_of(handle)
            known = store.counted() if backup == "latest" else store.known()
            found = next((one for one in known if backup in {"latest", str(one)}), None)
            if found is None:
                step = (
                    f"kube-runbooks volumes list {cluster}" if known else f"kube-runbooks run volumes-backup {cluster}"
                )
                return give_up(Exit.FAILED, f"cluster {cluster} has no backup {backup} of volumes", step, output)
            manifest = store.read(found).model_dump(mode="json")
        return show_manifest(manifest, output)

    return guarded(answer, output)
