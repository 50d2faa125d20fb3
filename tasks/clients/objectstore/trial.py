"""Tests whether a store accepts what a backup writes, because read requests alone do not prove it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tasks.clients.objectstore.bucket import ObjectStore
from tasks.clients.objectstore.values import AlreadyThere
from tasks.core.errors import Refused, RunbookError

log = logging.getLogger("kube_runbooks.store")

TRIAL = b"written by kube-runbooks to see whether it can be\n"
LOCK = timedelta(minutes=1)
"""This is how long Object Lock keeps the trial object, if the profile locks at all."""


def try_out(store: ObjectStore, folder: str) -> None:
    """Writes a small object below a folder in each way in which backups are written, reads it, and deletes it.

    An object that cannot be deleted stays, and is logged: a store that keeps everything accepts backups. It raises
    `Refused` or `NotYet` like the write or the read.
    """
    keys = [store.key(folder, f"{way}-{uuid4().hex}") for way in ("object", "parts")]
    try:
        store.put_new(keys[0], TRIAL, "text/plain", lock=LOCK)
        _send_in_parts(store, keys[1])
        for key in keys:
            _read_back(store, key)
    finally:
        for key in keys:
            _remove(store, key)


@dataclass(frozen=True)
class Way:
    """This is one way in which backups use a store, tried separately."""

    name: str
    problem: RunbookError | None = None
    is_needed: bool = True
    """True if backups cannot work without it."""


def try_each_way(store: ObjectStore, folder: str) -> Iterator[Way]:
    """Tries what `try_out` tries and everything else that backups use, each way separately.

    A way that fails does not hide another one. If an object cannot be written, the ways that need it are left out.
    """
    small, parts = (store.key(folder, f"{way}-{uuid4().hex}") for way in ("object", "parts"))
    try:
        yield (written := _tried("write", lambda: store.put_new(small, TRIAL, "text/plain", lock=LOCK)))
        if not written.problem:
            yield _tried("read back", lambda: _read_back(store, small))
            yield _tried("list", lambda: _listed(store, folder, small))
            yield _tried("If-None-Match", lambda: _refuses_a_second(store, small), is_needed=False)
            if store.store.object_lock:
                yield _tried("Object Lock", lambda: _is_locked(store, small))
        yield (sent := _tried("multipart upload", lambda: _send_in_parts(store, parts)))
        if not sent.problem:
            yield _tried("read back the parts", lambda: _read_back(store, parts))
        yield _tried("delete", lambda: _deleted(store, folder, (small, parts)))
    finally:
        for key in (small, parts):
            _remove(store, key)


def _tried(name: str, act: Callable[[], None], *, is_needed: bool = True) -> Way:
    try:
        act()
    except RunbookError as error:
        return Way(name, error, is_needed=is_needed)
    return Way(name, is_needed=is_needed)


def _read_back(store: ObjectStore, key: str) -> None:
    if (found := store.get(key)) != TRIAL:
        problem = f"{store.place}: what was written to {key} is read as {len(found)} other bytes"
        raise Refused(problem, hint="check what answers at store.endpoint")


def _listed(store: ObjectStore, folder: str, key: str) -> None:
    if key not in {found.key for found in store.objects(store.key(folder))}:
        raise Refused(
            f"{store.place}: {key} was written and is not listed", hint="check what answers at store.endpoint"
        )


def _refuses_a_second(store: ObjectStore, key: str) -> None:
    try:
        store.put_new(key, TRIAL, "text/plain", lock=LOCK)
    except AlreadyThere:
        return
    raise Refused(
        f"{store.place} does not know If-None-Match: a second object under the same key replaces the first",
        hint="nothing has to be done: keys have the id of their run in them; a store that knows it is safer",
    )


def _is_locked(store: ObjectStore, key: str) -> None:
    until = store.locked_until(key)
    if until is None or until <= datetime.now(UTC):
        raise Refused(
            f"{store.place}: store.object_lock is set, and the store does not lock what is written",
            hint="make a bucket with Object Lock enabled, or take store.object_lock out of the profile",
        )
    store.keep_until(key, longer := until + LOCK)
    if (found := store.locked_until(key)) is None or found < longer:
        raise Refused(
            f"{store.place} does not extend Object Lock, so files that backups share go before the newest of them",
            hint="allow these keys s3:PutObjectRetention",
        )


def _deleted(store: ObjectStore, folder: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        store.delete(key)
    if left := {found.key for found in store.objects(store.key(folder))} & set(keys):
        raise Refused(
            f"{store.place}: deleted and still listed: {', '.join(sorted(left))}", hint="check the bucket's rules"
        )


def _send_in_parts(store: ObjectStore, key: str) -> None:
    upload = store.start_upload(key, lock=LOCK)
    try:
        store.complete(upload, [store.send_part(upload, 1, TRIAL)])
    except RunbookError:
        with suppress(RunbookError):
            store.abort(upload)
        raise


def _remove(store: ObjectStore, key: str) -> None:
    try:
        store.delete(key)
    except RunbookError as error:
        log.warning("left in the store: %s: %s", key, error)
