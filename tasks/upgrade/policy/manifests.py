"""What kubeadm takes away when it writes a static pod's manifest: what was edited by hand, or came from `--patches`."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from tasks.upgrade.models.manifests import Loss, PodShape, StaticManifest

ENCRYPTION = "encryption-provider-config"
HARM = {
    ("kube-apiserver", ENCRYPTION): "the new API server could not read the Secrets that are encrypted",
    ("kube-apiserver", "etcd-prefix"): "the new API server would see an empty cluster",
    ("etcd", "data-dir"): "the new etcd would start with another data directory",
    ("etcd", "wal-dir"): "the new etcd would look for its log in another directory",
    ("etcd", "config-file"): "the new etcd would start without its configuration",
}
"""Component and flag to what would happen without it."""

BY_JOIN = {("etcd", "initial-cluster"), ("etcd", "initial-cluster-state")}
"""What kubeadm itself writes in one way when a member joins and in another one later; etcd reads it at its first start only."""

ETCD_QUOTA = 2 * 2**30
"""Of etcd without the flag."""


def losses_of(manifest: StaticManifest, *, db_bytes: int = 0) -> tuple[Loss, ...]:
    """All that is found and not rendered, in the order of its names; nothing where one of the two is not known.

    `db_bytes` is the size of the member's database, which has to stay below its quota.
    """
    found, rendered, component = manifest.found, manifest.rendered, manifest.component
    if found is None or rendered is None:
        return ()
    losses = (
        *_flags(component, found, rendered, db_bytes),
        *_mounts(component, found, rendered),
        *_rest(found, rendered),
    )
    return tuple(Loss(component=component, words=words, harm=harm) for words, harm in losses)


def flags_not_to_lose(manifest: StaticManifest) -> tuple[str, ...]:
    """Flags of it that must not be lost and that kubeadm gives only if it is told to: for when it is not known what it writes."""
    flags = manifest.found.flags if manifest.found else {}
    own = {"data-dir"}
    return tuple(
        f"--{name}" for component, name in HARM if component == manifest.component and name in flags.keys() - own
    )


Found = Iterator[tuple[str, str]]
"""What goes, and the harm of it."""


def _flags(component: str, found: PodShape, rendered: PodShape, db_bytes: int) -> Found:
    for name, values in sorted(found.flags.items()):
        given = rendered.flags.get(name, ())
        if values == given or (component, name) in BY_JOIN:
            continue
        words = ", ".join(f"--{name}={value}" for value in values)
        harm = HARM.get((component, name), "") or _harm(component, name, values, given, db_bytes)
        yield f"{words} (kubeadm gives {', '.join(given)})" if given else words, harm


def _harm(component: str, name: str, values: tuple[str, ...], given: tuple[str, ...], db_bytes: int) -> str:
    """Where it depends on the values."""
    if (component, name) == ("kube-apiserver", "etcd-servers"):
        strangers = sorted({url for value in given for url in value.split(",")} - set(",".join(values).split(",")))
        return f"the new API server would ask {', '.join(strangers)}, which it does not ask now" if strangers else ""
    if (component, name) == ("etcd", "quota-backend-bytes"):
        quota = int(given[-1]) if given and given[-1].isdigit() else ETCD_QUOTA
        told = f"{db_bytes / 2**30:.1f} GiB of the database are more than the quota of {quota / 2**30:.1f} GiB"
        return f"{told}: etcd would allow no change" if db_bytes >= quota else ""
    return ""


def _mounts(component: str, found: PodShape, rendered: PodShape) -> Found:
    dear = _dear_path(component, found)
    for path, source in sorted(found.mounts.items()):
        if rendered.mounts.get(path) != source:
            is_dear = dear and path == _mount_of(found, dear) and _on_host(found, dear) != _on_host(rendered, dear)
            harm = f"{dear} would not be there, or be another one" if is_dear else ""
            yield f"the mount of {source} at {path}", harm


def _dear_path(component: str, found: PodShape) -> str:
    """What has to stay where it is in the container."""
    name = {"kube-apiserver": ENCRYPTION, "etcd": "data-dir"}.get(component, "")
    return next(iter(found.flags.get(name, ())), "")


def _mount_of(shape: PodShape, path: str) -> str:
    above = [one for one in shape.mounts if PurePosixPath(path).is_relative_to(one)]
    return max(above, key=len, default="")


def _on_host(shape: PodShape, path: str) -> str:
    """Where the host has it; empty where nothing is mounted."""
    mount = _mount_of(shape, path)
    return str(PurePosixPath(shape.mounts[mount]) / PurePosixPath(path).relative_to(mount)) if mount else ""


def _rest(found: PodShape, rendered: PodShape) -> Found:
    for name, digest in sorted(found.rest.items()):
        if rendered.rest.get(name) != digest:
            yield f"its own {name}" if name in rendered.rest else name, ""
