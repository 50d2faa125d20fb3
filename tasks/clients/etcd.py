"""Wraps etcd's v3 gRPC API over mTLS in this project's own terms: the only module that imports grpc."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

import grpc
import grpc.experimental

from tasks.clients.etcd_api import rpc_pb2, rpc_pb2_grpc
from tasks.clients.etcd_api.errors import NOT_LET_IN, Compacted, spoken
from tasks.core.models.etcd import TRAILER_BYTES, KeySpaceHash, ListedMember, MemberStatus

__all__ = ["Compacted", "Credentials", "EtcdClient", "SnapshotStream"]

CALL_SECONDS = 10.0
"""Limits a unary call, in seconds.

A healthy member answers in milliseconds, one under full load in a second or two.
"""

HASH_SECONDS = 300.0
"""Limits HashKV, in seconds. It reads the whole database: about 2 s per GB here, slower on a cold disk."""

CHANNEL_OPTIONS = (
    # A frozen peer sends no error: pings find it within 20 s. etcd accepts one each 5 s (grpc-keepalive-min-time).
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC 1.85 never looks at the keepalive's own limit (grpc/grpc#39239): this one ends it, and is 60 s by default.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # Range answers of a whole page of keys may be larger than gRPC's default of 4 MiB.
    ("grpc.max_receive_message_length", 64 * 2**20),
    # No proxy from the environment stands between the worker and etcd.
    ("grpc.enable_http_proxy", 0),
    # A stream is read by the thread that asks for its next message, not handed over by another: 40 % less CPU
    # for a snapshot of 430 MB (1.4 s of 2.3 s), and fewer stalls.
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
    # A fixed window of 4 MiB, not one that gRPC guesses from ping times: while a store pauses, pings are slow, and the
    # guess grew to more than 100 MB of memory. 4 MiB are 80 MB/s over 50 ms of round trip.
    ("grpc.http2.lookahead_bytes", 4 * 2**20),
    ("grpc.http2.bdp_probe", 0),
    # Two clients of one member never share a connection: closing one must not end the other's stream.
    ("grpc.use_local_subchannel_pool", 1),
)

DEFRAGMENT_SECONDS = 900.0
"""Limits the defragmentation of a member, in seconds.

It takes about 10 s per GB here, and minutes on a slow disk. The largest database is 8 GB.
"""

HEALTH_SECONDS = 5.0
"""Limits the linearizable read, in seconds; etcdctl has the same limit.

Without quorum the call waits for all of it.
"""

ALL_KEYS = b"\0"
"""This value, as key and as range_end, means the whole key space."""


@dataclass(frozen=True)
class Credentials:
    """This is a client certificate for etcd, PEM, in memory only."""

    ca: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


class SnapshotStream:
    """This is a snapshot in progress: its read transaction is open, and its first message has arrived."""

    def __init__(self, messages: Iterator[rpc_pb2.SnapshotResponse], member: str) -> None:
        with spoken(member, "Snapshot"):
            self._first = next(messages)
        self._messages = messages
        self._member = member
        self.storage_version = self._first.version
        # remaining_bytes does not count the trailer, which comes in a last message of its own.
        self.announced_bytes = len(self._first.blob) + self._first.remaining_bytes + TRAILER_BYTES

    def chunks(self) -> Iterator[bytes]:
        """Yields the database, then its sha256 trailer, in messages of about 32 KiB."""
        yield self._first.blob
        with spoken(self._member, "Snapshot"):
            for message in self._messages:
                yield message.blob


class EtcdClient:
    """This is a client of one member, by its own address or through a tunnel.

    Errors are `NotYet` (away, slow) or `Refused` (access denied).
    """

    def __init__(
        self, target: str, credentials: Credentials | None, *, member: str, server_name: str | None = None
    ) -> None:
        """Opens the client's channel to `target`: `host:port`, with an IPv6 address in brackets, or `unix:PATH`.

        `server_name` is the name that the member's certificate must have, if it is not the host. Without credentials
        the connection is plain, for a scratch etcd on a socket in a private folder only.
        """
        options = [*CHANNEL_OPTIONS, *([("grpc.ssl_target_name_override", server_name)] if server_name else [])]
        self.member = member
        self._channel = _channel(target, credentials, options)
        self._maintenance = rpc_pb2_grpc.MaintenanceStub(self._channel)
        self._cluster = rpc_pb2_grpc.ClusterStub(self._channel)
        self._kv = rpc_pb2_grpc.KVStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection and every call on it."""
        self._channel.close()

    def status(self) -> tuple[str, str, MemberStatus]:
        """Returns the cluster's id, the member's id, and the member's status with its alarms and a linearizable read."""
        with spoken(self.member, "Status"):
            raw = self._maintenance.Status(rpc_pb2.StatusRequest(), timeout=CALL_SECONDS)
        cluster_id, member_id = f"{raw.header.cluster_id:016x}", f"{raw.header.member_id:016x}"
        return cluster_id, member_id, _to_status(raw, healthy=self._serves_linearizable_reads())

    def revision(self) -> int:
        """Returns the member's own newest revision; a snapshot that is opened afterwards contains all of it."""
        with spoken(self.member, "Status"):
            return int(self._maintenance.Status(rpc_pb2.StatusRequest(), timeout=CALL_SECONDS).header.revision)

    def members(self) -> tuple[ListedMember, ...]:
        """Returns the cluster's members as this one knows them; none if it is a learner.

        It also works without quorum.
        """
        with spoken(self.member, "MemberList"):
            try:
                raw = self._cluster.MemberList(rpc_pb2.MemberListRequest(linearizable=False), timeout=CALL_SECONDS)
            except grpc.RpcError:
                if self._maintenance.Status(rpc_pb2.StatusRequest(), timeout=CALL_SECONDS).is_learner:
                    return ()
                raise
        return tuple(
            ListedMember(f"{member.ID:016x}", member.name, member.is_learner, tuple(member.client_urls))
            for member in raw.members
        )

    def hash_kv(self, revision: int) -> KeySpaceHash:
        """Returns the hash of the key space at a revision. It reads the whole database.

        It raises `Compacted` if the revision has been compacted.
        """
        return self.hash_kv_later(revision)()

    def hash_kv_later(self, revision: int) -> Callable[[], KeySpaceHash]:
        """Sends the request for `hash_kv` now and returns a function that waits for the answer.

        So the caller can do something else in the meantime.
        """
        call = self._maintenance.HashKV.future(rpc_pb2.HashKVRequest(revision=revision), timeout=HASH_SECONDS)

        def answer() -> KeySpaceHash:
            with self._at_revision("HashKV", revision):
                raw = call.result()
            return KeySpaceHash(hash=raw.hash, revision=revision, compact_revision=max(raw.compact_revision, 0))

        return answer

    def count(self, revision: int) -> int:
        """Returns the number of live keys at a revision; raises `Compacted` if the revision has been compacted."""
        request = rpc_pb2.RangeRequest(
            key=ALL_KEYS, range_end=ALL_KEYS, revision=revision, serializable=True, count_only=True
        )
        with self._at_revision("Range", revision):
            return int(self._kv.Range(request, timeout=CALL_SECONDS).count)

    def paths_below(self, prefix: str) -> tuple[str, ...]:
        """Returns the keys that begin with a prefix, as this member has them now."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        request = rpc_pb2.RangeRequest(key=prefix.encode(), range_end=end.encode(), serializable=True, keys_only=True)
        with spoken(self.member, "Range"):
            raw = self._kv.Range(request, timeout=CALL_SECONDS)
        return tuple(found.key.decode(errors="replace") for found in raw.kvs)

    def value(self, path: str) -> bytes:
        """Returns the value of a key, as this member has it now; empty if the key does not exist."""
        with spoken(self.member, "Range"):
            raw = self._kv.Range(rpc_pb2.RangeRequest(key=path.encode(), serializable=True), timeout=CALL_SECONDS)
        return raw.kvs[0].value if raw.kvs else b""

    def defragment(self) -> None:
        """Rewrites the member's database without its free pages. The member serves nothing in the meantime.

        It finishes even if nobody waits for it any more.
        """
        with spoken(self.member, "Defragment"):
            self._maintenance.Defragment(rpc_pb2.DefragmentRequest(), timeout=DEFRAGMENT_SECONDS)

    def move_leader(self, to: str) -> None:
        """Makes another member, by its hexadecimal id, the leader. Only the leader accepts this call."""
        with spoken(self.member, "MoveLeader"):
            self._maintenance.MoveLeader(rpc_pb2.MoveLeaderRequest(targetID=int(to, 16)), timeout=CALL_SECONDS)

    def disarm_nospace(self, member_id: str) -> None:
        """Clears the alarm NOSPACE of a member, by its hexadecimal id: the cluster accepts writes again."""
        request = rpc_pb2.AlarmRequest(
            action=rpc_pb2.AlarmRequest.DEACTIVATE, member_id=int(member_id, 16), alarm=rpc_pb2.NOSPACE
        )
        with spoken(self.member, "Alarm"):
            self._maintenance.Alarm(request, timeout=CALL_SECONDS)

    def compact(self, revision: int) -> None:
        """Compacts the key space up to a revision, physically.

        Kubernetes compacts its etcd itself, so this is for a scratch etcd only.
        """
        with spoken(self.member, "Compact"):
            self._kv.Compact(rpc_pb2.CompactionRequest(revision=revision, physical=True), timeout=HASH_SECONDS)

    @contextmanager
    def snapshot(self) -> Iterator[SnapshotStream]:
        """Opens a snapshot; it shows the moment of its first message. Leaving early ends the call on the member."""
        call = self._maintenance.Snapshot(rpc_pb2.SnapshotRequest())
        try:
            yield SnapshotStream(call, self.member)
        finally:
            call.cancel()

    @contextmanager
    def _at_revision(self, call: str, revision: int) -> Iterator[None]:
        """Turns etcd's error for a compacted revision into `Compacted`.

        etcd uses the same code for a compacted revision and for a future one. The member's newest revision tells them
        apart.
        """
        with spoken(self.member, call):
            try:
                yield
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.OUT_OF_RANGE or self.revision() < revision:
                    raise
                raise Compacted(
                    f"{self.member}: etcd {call}: revision {revision}: {error.details()}",
                    hint="ask at a later revision",
                ) from error

    def _serves_linearizable_reads(self) -> bool:
        """Checks with a read that needs a quorum, as `etcdctl endpoint health` does.

        If the member answers that its user may not read, that is also an answer: it returns True.
        """
        try:
            self._read_with_quorum()
        except grpc.RpcError as error:
            return error.code() in NOT_LET_IN
        return True

    def _read_with_quorum(self) -> None:
        """Reads a key with a quorum, and reads it once more if the member is unavailable.

        A change of the leader has this effect for some milliseconds. A member that does not answer is not asked twice.
        """
        read = partial(self._kv.Range, rpc_pb2.RangeRequest(key=b"health"), timeout=HEALTH_SECONDS)
        try:
            read()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            read()


def _channel(target: str, credentials: Credentials | None, options: list[tuple[str, object]]) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target, options=options)
    secured = grpc.ssl_channel_credentials(credentials.ca, credentials.key, credentials.certificate)
    return grpc.secure_channel(target, secured, options=options)


def _to_status(raw: rpc_pb2.StatusResponse, *, healthy: bool) -> MemberStatus:
    alarms = tuple(sorted({kind for text in raw.errors for kind in _alarms_in(text, raw.header.member_id)}))
    return MemberStatus(
        version=raw.version,
        storage_version=raw.storage_version,
        is_leader=raw.leader != 0 and raw.leader == raw.header.member_id,
        has_leader=raw.leader != 0,
        healthy=healthy,
        alarms=alarms,
        errors=tuple(raw.errors),
        revision=raw.header.revision,
        raft_lag=max(raw.raft_index - raw.raft_applied_index, 0),
        db_size=raw.db_size,
        db_size_in_use=raw.db_size_in_use,
        db_quota=raw.db_size_quota,
    )


def _alarms_in(text: str, member_id: int) -> tuple[str, ...]:
    """Returns the alarms in a text that concern this member.

    Every member reports the alarms of all members, with any number of spaces:
    `memberID:10276657743932975437 alarm:NOSPACE`.

    An alarm of an unknown kind counts too. An alarm that names no member counts for every member.
    """
    whose = re.findall(r"memberID: *(\d+)", text)
    return tuple(re.findall(r"alarm: *(\w+)", text)) if not whose or str(member_id) in whose else ()
