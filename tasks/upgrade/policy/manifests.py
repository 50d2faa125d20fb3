"""Decides what kubeadm removes when it writes a manifest, a configuration or an object that was edited by hand."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from tasks.core.models.findings import Problem
from tasks.upgrade.models.manifests import Loss, NodeManifests, PodShape, StaticManifest

ENCRYPTION = "encryption-provider-config"
HARM = {
    ("kube-apiserver", ENCRYPTION): "the new API server could not read the Secrets that are encrypted",
    ("kube-apiserver", "etcd-prefix"): "the new API server would see an empty cluster",
    ("etcd", "data-dir"): "the new etcd would start with another data directory",
    ("etcd", "wal-dir"): "the new etcd would look for its log in another directory",
    ("etcd", "config-file"): "the new etcd would start without its configuration",
}
"""Maps a component and a flag to what would happen without the flag."""

HARM_OF_SETTING = {
    "cgroupDriver": "the new kubelet would not start pods: its container runtime has another cgroup driver",
    "containerRuntimeEndpoint": "the new kubelet would ask another container runtime",
    "staticPodPath": "the new kubelet would look elsewhere for static pods",
    "authentication.x509.clientCAFile": "the new kubelet would trust another CA, or none",
}
"""Maps a field of a kubelet's configuration to what would happen without it."""

BY_JOIN = {("etcd", "initial-cluster"), ("etcd", "initial-cluster-state")}
"""Lists flags that kubeadm itself writes in one way when a member joins, and in another way later.

etcd reads them only at its first start.
"""

KUBELET = "kubelet"
"""Names the kubelet's configuration among the components."""

ETCD_QUOTA = 2 * 2**30
"""This is the quota of etcd without the flag, in bytes."""


def losses_of(manifest: StaticManifest, *, db_bytes: int = 0) -> tuple[Loss, ...]:
    """Returns everything that is found and not rendered, sorted by name.

    It is empty if one of the two is not known. `db_bytes` is the size of the member's database, which must stay
    below its quota.
    """
    found, rendered, component = manifest.found, manifest.rendered, manifest.component
    if found is None or rendered is None:
        return ()
    losses = (
        *_flags(component, found, rendered, db_bytes),
        *_mounts(component, found, rendered),
        *_settings(component, found, rendered),
        *_rest(found, rendered),
    )
    return tuple(Loss(component=component, words=words, harm=harm) for words, harm in losses)


def flags_not_to_lose(manifest: StaticManifest) -> tuple[str, ...]:
    """Returns the flags that must not be lost, and that kubeadm writes only if it is configured so.

    It is for the case that kubeadm's output is not known.
    """
    flags = manifest.found.flags if manifest.found else {}
    own = {"data-dir"}
    return tuple(
        f"--{name}" for component, name in HARM if component == manifest.component and name in flags.keys() - own
    )


def what_did_not_stay(before: NodeManifests, after: NodeManifests) -> Problem | None:
    """Returns what kubeadm removed although it was to write it, or `None`.

    It compares the files before and after kubeadm.
    """
    if after.unread:
        return Problem(text=f"its files could not be read after kubeadm: {after.unread}", next_step=COPIES)
    now = {one.component: one for one in _all_of(after)}
    gone = [f"{one.component} without {words}" for one in _all_of(before) for words in _not_kept(one, now)]
    if not gone:
        return None
    return Problem(text=f"kubeadm wrote {'; '.join(gone)}, which it was to keep", next_step=COPIES)


COPIES = (
    "compare /etc/kubernetes/manifests and /var/lib/kubelet/config.yaml with kubeadm's copies in /etc/kubernetes/tmp"
)


def _all_of(seen: NodeManifests) -> tuple[StaticManifest, ...]:
    return (*seen.manifests, seen.kubelet) if seen.kubelet else seen.manifests


def _not_kept(one: StaticManifest, now: Mapping[str, StaticManifest]) -> list[str]:
    if one.found is None or one.rendered is None:
        return []
    there = now.get(one.component)
    if there is None or there.found is None:
        return [f"anything: {there.problem if there else 'there is none'}"]
    kept = _kept(one.found, one.rendered)
    return [loss.words for loss in losses_of(StaticManifest(component=one.component, found=kept, rendered=there.found))]


def _kept(found: PodShape, rendered: PodShape) -> PodShape:
    """Returns what is the same in both."""
    return PodShape(
        flags={name: one for name, one in found.flags.items() if rendered.flags.get(name) == one},
        mounts={name: one for name, one in found.mounts.items() if rendered.mounts.get(name) == one},
        settings={name: one for name, one in found.settings.items() if rendered.settings.get(name) == one},
        rest={name: one for name, one in found.rest.items() if rendered.rest.get(name) == one},
    )


Found = Iterator[tuple[str, str]]
"""This is an iterator of what is removed, and the harm of it."""


def _flags(component: str, found: PodShape, rendered: PodShape, db_bytes: int) -> Found:
    for name, values in sorted(found.flags.items()):
        given = rendered.flags.get(name, ())
        if values == given or (component, name) in BY_JOIN:
            continue
        words = ", ".join(f"--{name}={value}" for value in values)
        harm = HARM.get((component, name), "") or _harm(component, name, values, given, db_bytes)
        yield f"{words} (kubeadm gives {', '.join(given)})" if given else words, harm


def _harm(component: str, name: str, values: tuple[str, ...], given: tuple[str, ...], db_bytes: int) -> str:
    """Returns the harm of a changed flag if it depends on the values."""
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
    """Returns the path that must stay the same in the container. It is empty if the component has none."""
    name = {"kube-apiserver": ENCRYPTION, "etcd": "data-dir"}.get(component, "")
    return next(iter(found.flags.get(name, ())), "")


def _mount_of(shape: PodShape, path: str) -> str:
    above = [one for one in shape.mounts if PurePosixPath(path).is_relative_to(one)]
    return max(above, key=len, default="")


def _on_host(shape: PodShape, path: str) -> str:
    """Returns the path on the host. It is empty if nothing is mounted there."""
    mount = _mount_of(shape, path)
    return str(PurePosixPath(shape.mounts[mount]) / PurePosixPath(path).relative_to(mount)) if mount else ""


def _settings(component: str, found: PodShape, rendered: PodShape) -> Found:
    for name, value in sorted(found.settings.items()):
        given = rendered.settings.get(name)
        if given is None or _plain(given) != _plain(value):
            harm = HARM_OF_SETTING.get(name, "") if component == KUBELET else ""
            yield f"{name}: {value}" + (f" (kubeadm writes {given})" if given is not None else ""), harm


def _plain(value: str) -> str:
    """Returns a socket's path in one form.

    A socket has several names: with and without its scheme, and below /run or /var/run, which is a link to it.
    """
    return value.removeprefix("unix://").replace("/var/run/", "/run/")


def _rest(found: PodShape, rendered: PodShape) -> Found:
    for name, digest in sorted(found.rest.items()):
        if rendered.rest.get(name) != digest:
            yield f"its own {name}" if name in rendered.rest else name, ""
