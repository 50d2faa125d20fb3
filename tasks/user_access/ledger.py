"""Keeps in the bucket what was given to whom: one small JSON for each credential, and the encrypted kubeconfig beside it."""

import hashlib
from datetime import datetime

from tasks.access.models.login import safe_name
from tasks.backup.archive import seal
from tasks.backup.policy.pki import what_is_wrong_with_seal
from tasks.clients.objectstore import ObjectStore
from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.run.reports import read_kept
from tasks.user_access.models.credentials import Entry

FOLDER = "access"
JSON_TYPE, AGE_TYPE = "application/json", "application/octet-stream"


def id_of(at: datetime, run_id: str) -> str:
    """Returns the name of a credential's objects in the bucket."""
    return f"{at:%Y%m%dT%H%M%SZ}-{run_id}"


def folder_of(store: ObjectStore, cluster: str, user: str) -> str:
    """Returns the folder of a user in the bucket."""
    return f"{store.key(cluster, FOLDER, safe_name(user))}/"


def key_of(store: ObjectStore, cluster: str, user: str, name: str) -> str:
    """Returns the key of an encrypted kubeconfig, in the folder of the user."""
    return f"{folder_of(store, cluster, user)}{name}.age"


def read_entries(handle: Cluster, user: str) -> tuple[Entry, ...]:
    """Returns the entries of a user, the oldest first.

    An entry that cannot be parsed is an error: a credential that nobody knows of would stay.
    """
    store = handle.store
    folder = folder_of(store, handle.profile.name, user)
    keys = sorted(one.key for one in store.objects(folder) if one.key.endswith(".json"))
    return tuple(_read(store, key) for key in keys)


def _read(store: ObjectStore, key: str) -> Entry:
    entry = read_kept(store, key, Entry)
    if entry is None:
        raise Refused(
            f"{store.uri(key)} is no entry of a credential, or one of another version",
            hint="read it, take that credential back by hand, and move the object away",
        )
    return entry


def deliver(handle: Cluster, user: str, name: str, kubeconfig: str, recipient: str) -> str:
    """Stores the kubeconfig, encrypted for the user alone, reads it back, and returns its key."""
    store = handle.store
    key = key_of(store, handle.profile.name, user, name)
    sealed = seal(kubeconfig.encode(), [recipient])
    store.put(key, sealed, AGE_TYPE)
    stored = store.get(key)
    wrong = what_is_wrong_with_seal(stored, [recipient])
    if wrong or hashlib.sha256(stored).digest() != hashlib.sha256(sealed).digest():
        raise Refused(
            f"{store.uri(key)}: {wrong or 'it was changed on its way'}", hint="check the store, then run it again"
        )
    return key


def write_entry(handle: Cluster, entry: Entry) -> None:
    """Stores an entry, or a change of it."""
    store = handle.store
    key = f"{folder_of(store, handle.profile.name, entry.user)}{entry.id}.json"
    store.put(key, entry.model_dump_json(indent=2).encode(), JSON_TYPE)


def mark_taken(handle: Cluster, entry: Entry, now: datetime, run_id: str) -> None:
    """Writes down that a credential was taken back, and removes the encrypted kubeconfig, which is of no use any more."""
    write_entry(handle, entry.model_copy(update={"taken_at": now, "taken_by": run_id}))
    handle.store.delete(entry.sealed)
    log_about(entry.user).info("%s was taken back", entry.credential_id)


def remove_undelivered(handle: Cluster, user: str, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Removes encrypted kubeconfigs without an entry, which an interrupted run left. Returns their keys."""
    store = handle.store
    known = {one.sealed for one in entries}
    folder = folder_of(store, handle.profile.name, user)
    left = [one.key for one in store.objects(folder) if one.key.endswith(".age") and one.key not in known]
    for key in left:
        store.delete(key)
    return tuple(left)
