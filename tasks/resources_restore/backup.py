"""Reads a backup of objects: its list, and the objects that are meant."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.nodes.models.pods import LabelSelector
from tasks.nodes.policy.selectors import selects
from tasks.resources.models import Entry, Manifest
from tasks.resources.store import read_objects
from tasks.resources_restore.models import JSON, ResourceRestoreOptions, Select, Target
from tasks.resources_restore.policy.order import in_order
from tasks.resources_restore.policy.selection import is_meant, parse_labels, parse_map

BATCH = 200
"""Limits how many objects are in memory at a time."""


class Item(NamedTuple):
    """Holds an entry of a backup, and the place that its object gets."""

    entry: Entry
    target: Target


def target_of(entry: Entry, moved: dict[str, str]) -> Target:
    """Returns the place of an object; `moved` are namespaces that are restored into others."""
    is_namespace = (entry.group, entry.kind) == ("", "Namespace")
    return Target(
        group=entry.group,
        version=entry.version,
        kind=entry.kind,
        resource=entry.resource,
        namespaced=entry.namespaced,
        namespace=moved.get(entry.namespace, entry.namespace),
        name=moved.get(entry.name, entry.name) if is_namespace else entry.name,
        source=entry.namespace,
        sealed=bool(entry.sealed),
    )


def meant(manifest: Manifest, select: Select, options: ResourceRestoreOptions) -> list[Item]:
    """Returns the entries that are meant, in the order of a restore; their labels are not checked yet."""
    moved = dict(parse_map(options.into_namespace))
    if moved and not select.namespaces:
        select = select.model_copy(update={"namespaces": tuple(moved)})
    found = []
    for entry in manifest.entries:
        target = target_of(entry, moved)
        before = target_of(entry, {})
        if is_meant(select, before):
            found.append(Item(entry, target))
    return sorted(found, key=lambda one: in_order(one.target))


def bodies(handle: Cluster, manifest: Manifest, items: Sequence[Item]) -> Iterator[tuple[Item, JSON]]:
    """Yields each object with its place. The store checks each file against its sha256."""
    by_entry = {one.entry: one for one in items}
    for entry, body in read_objects(handle, manifest, [one.entry for one in items]):
        yield by_entry[entry], body


def with_labels(pairs: Iterable[tuple[Item, JSON]], select: Select) -> Iterator[tuple[Item, JSON]]:
    """Yields the objects whose labels the selector takes."""
    selector = parse_labels(select.labels)
    if not isinstance(selector, LabelSelector):
        raise Refused(selector.text, hint=selector.next_step)
    for item, body in pairs:
        if not select.labels or selects(selector, body.get("metadata", {}).get("labels") or {}):
            yield item, body


def in_batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yields the items in parts that fit into memory."""
    for begin in range(0, len(items), BATCH):
        yield items[begin : begin + BATCH]
