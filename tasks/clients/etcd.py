"""etcd's v3 gRPC API over mTLS, in our own words: the only importer of grpc."""

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
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.etcd import TRAILER_BYTES, KeySpaceHash, ListedMember, MemberStatus

CALL_SECONDS = 10.0
"""For a unary call; a healthy member answers in milliseconds, one under full load in a second or two."""

HASH_SECONDS = 300.0
"""For HashKV, which reads the whole database: about 2 s per GB here, slower on a cold disk."""

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
"""For a member's defragmentation: about 10 s per GB here, minutes on a slow disk; the largest database is 8 GB."""

HEALTH_SECONDS = 5.0
"""For the linearizable read; etcdctl's own limit. Without quorum it is waited for in full."""

ALL_KEYS = b"\0"
"""As key and as range_end: the whole key space."""


class Compacted(NotYet):
    """The revision asked for has been compacted away meanwhile."""


@dataclass(frozen=True)
class Credentials:
    """A client certificate for etcd, PEM, in memory only."""

    ca: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


class SnapshotStream:
    """A snapshot under way: its read transaction is open, its first message has come."""

    def __init__(self, messages: Iterator[rpc_pb2.SnapshotResponse], member: str) -> None:
        with _spoken(member, "Snapshot"):
            self._first = next(messages)
        self._messages = messages
        self._member = member
        self.storage_version = self._first.version
        # remaining_bytes does not count the trailer, which comes in a last message of its own.
        self.announced_bytes = len(self._first.blob) + self._first.remaining_bytes + TRAILER_BYTES

    def chunks(self) -> Iterator[bytes]:
        """The database, then its sha256 trailer, in messages of about 32 KiB."""
        yield self._first.blob
        with _spoken(self._member, "Snapshot"):
            for message in self._messages:
                yield message.blob


class EtcdClient:
    """One member, by its own address or through a tunnel. Errors are `NotYet` (away, slow) or `Refused` (not let in)."""

    def __init__(
        self, target: str, credentials: Credentials | None, *, member: str, server_name: str | None = None
    ) -> None:
        """`target` is `host:port` or `unix:PATH`; `server_name` is what its certificate is checked for, if not the host.

        Without credentials the connection is plain: for a scratch etcd on a socket in a private folder only.
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
        """Ends the connection and every call on it."""
        self._channel.close()

    def status(self) -> tuple[str, str, MemberStatus]:
        """The cluster's id, the member's id, and the member's status with its alarms and a linearizable read."""
        with _spoken(self.member, "Status"):
            raw = self._maintenance.Status(rpc_pb2.StatusRequest(), timeout=CALL_SECONDS)
        cluster_id, member_id = f"{raw.header.cluster_id:016x}", f"{raw.header.member_id:016x}"
        return cluster_id, member_id, _to_status(raw, healthy=self._serves_linearizable_reads())

    def revision(self) -> int:
        """The member's own newest revision; a snapshot of it opened afterwards has all of it."""
        with _spoken(self.member, "Status"):
            return int(self._maintenance.Status(rpc_pb2.StatusRequest(), timeout=CALL_SECONDS).header.revision)

    def members(self) -> tuple[ListedMember, ...]:
        """The cluster's members as this one knows them, which also works without quorum; none when it is a learner."""
        with _spoken(self.member, "MemberList"):
            try:
                raw = self._cluster.MemberList(rpc_pb2.MemberListRequest(linearizable=False), timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                if "not supported for learner" in (error.details() or ""):
                    return ()
                raise
        return tuple(
            ListedMember(f"{member.ID:016x}", member.name, member.is_learner, tuple(member.client_urls))
            for member in raw.members
        )

    def hash_kv(self, revision: int) -> KeySpaceHash:
        """The hash of the key space at a revision; `Compacted` when it is gone. Reads the whole database."""
        return self.hash_kv_later(revision)()

    def hash_kv_later(self, revision: int) -> Callable[[], KeySpaceHash]:
        """Asks now, while something else goes on; the answer is waited for by calling what this returns."""
        call = self._maintenance.HashKV.future(rpc_pb2.HashKVRequest(revision=revision), timeout=HASH_SECONDS)

        def answer() -> KeySpaceHash:
            with _spoken(self.member, "HashKV"):
                raw = call.result()
            return KeySpaceHash(hash=raw.hash, revision=revision, compact_revision=max(raw.compact_revision, 0))

        return answer

    def count(self, revision: int) -> int:
        """Live keys at a revision; `Compacted` when it is gone."""
        request = rpc_pb2.RangeRequest(
            key=ALL_KEYS, range_end=ALL_KEYS, revision=revision, serializable=True, count_only=True
        )
        with _spoken(self.member, "Range"):
            return int(self._kv.Range(request, timeout=CALL_SECONDS).count)

    def paths_below(self, prefix: str) -> tuple[str, ...]:
        """Keys that begin with a prefix, as this member has them now."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        request = rpc_pb2.RangeRequest(key=prefix.encode(), range_end=end.encode(), serializable=True, keys_only=True)
        with _spoken(self.member, "Range"):
            raw = self._kv.Range(request, timeout=CALL_SECONDS)
        return tuple(found.key.decode(errors="replace") for found in raw.kvs)

    def value(self, path: str) -> bytes:
        """Of a key, as this member has it now; empty when there is none."""
        with _spoken(self.member, "Range"):
            raw = self._kv.Range(rpc_pb2.RangeRequest(key=path.encode(), serializable=True), timeout=CALL_SECONDS)
        return raw.kvs[0].value if raw.kvs else b""

    def defragment(self) -> None:
        """Rewrites the member's database without its free pages. The member serves nothing meanwhile.

        It goes on to its end when nobody waits for it any more.
        """
        with _spoken(self.member, "Defragment"):
            self._maintenance.Defragment(rpc_pb2.DefragmentRequest(), timeout=DEFRAGMENT_SECONDS)

    def move_leader(self, to: str) -> None:
        """Of the leader: makes another member, by its hexadecimal id, the leader."""
        with _spoken(self.member, "MoveLeader"):
            self._maintenance.MoveLeader(rpc_pb2.MoveLeaderRequest(targetID=int(to, 16)), timeout=CALL_SECONDS)

    def disarm_nospace(self, member_id: str) -> None:
        """Ends the alarm NOSPACE of a member, by its hexadecimal id: the cluster takes writes again."""
        request = rpc_pb2.AlarmRequest(
            action=rpc_pb2.AlarmRequest.DEACTIVATE, member_id=int(member_id, 16), alarm=rpc_pb2.NOSPACE
        )
        with _spoken(self.member, "Alarm"):
            self._maintenance.Alarm(request, timeout=CALL_SECONDS)

    def compact(self, revision: int) -> None:
        """Compacts the key space up to a revision, physically. Kubernetes does this itself: for a scratch etcd only."""
        with _spoken(self.member, "Compact"):
            self._kv.Compact(rpc_pb2.CompactionRequest(revision=revision, physical=True), timeout=HASH_SECONDS)

    @contextmanager
    def snapshot(self) -> Iterator[SnapshotStream]:
        """Opens a snapshot; it is of the moment of its first message. Leaving early ends the call on the member."""
        call = self._maintenance.Snapshot(rpc_pb2.SnapshotRequest())
        try:
            yield SnapshotStream(call, self.member)
        finally:
            call.cancel()

    def _serves_linearizable_reads(self) -> bool:
        """As `etcdctl endpoint health` asks: a read that needs a quorum. A permission error is an answer too."""
        try:
            with _spoken(self.member, "Range"):
                self._read_with_quorum()
        except NotYet:
            return False
        except Refused:
            return True
        return True

    def _read_with_quorum(self) -> None:
        """Again when it meets a change of the leader, which takes milliseconds."""
        read = partial(self._kv.Range, rpc_pb2.RangeRequest(key=b"health"), timeout=HEALTH_SECONDS)
        try:
            read()
        except grpc.RpcError as error:
            if "leader changed" not in (error.details() or ""):
                raise
            read()


def _channel(target: str, credentials: Credentials | None, options: list[tuple[str, object]]) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target, options=options)
    secured = grpc.ssl_channel_credentials(credentials.ca, credentials.key, credentials.certificate)
    return grpc.secure_channel(target, secured, options=options)


def _to_status(raw: rpc_pb2.StatusResponse, *, healthy: bool) -> MemberStatus:
    # Every member tells every member's alarms: `memberID:10276657743932975437 alarm:NOSPACE`.
    own = [text for text in raw.errors if f"memberID:{raw.header.member_id} " in text]
    alarms = tuple(sorted({name for name in ("NOSPACE", "CORRUPT") for text in own if f"alarm:{name}" in text}))
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


_NOT_LET_IN = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}


@contextmanager
def _spoken(member: str, call: str) -> Iterator[None]:
    """Turns gRPC's errors into our two words, once and here; the member's name comes first."""
    try:
        yield
    except grpc.RpcError as error:
        raise _in_our_words(member, call, error) from error


def _in_our_words(member: str, call: str, error: grpc.RpcError) -> RunbookError:
    code, details = error.code(), error.details() or ""
    said = f"{member}: etcd {call}: {code.name}: {details}"
    if "required revision has been compacted" in details:
        return Compacted(said, hint="ask at a later revision")
    if "CERTIFICATE_VERIFY_FAILED" in details:
        return Refused(
            f"{member}: the server's certificate is not signed by the CA of the profile, has expired, or is for another name",
            hint="check etcd.client.ca against the CA of the members, and the certificate with openssl s_client",
        )
    if code in _NOT_LET_IN or _REJECTION.search(details):
        return Refused(said, hint="etcd does not accept the client certificate: check etcd.client and its CA")
    return NotYet(said, hint="look at the member and at the way to it; the step is tried again")


# In TLS 1.3 the member's alert comes after the client's handshake: gRPC says "Unwrap failed (TSI_DATA_CORRUPTED)" for
# any alert, and only its log has its name. While connecting there is nothing else that it could be.
_REJECTION = re.compile(
    "certificate_required|unknown_ca|bad_certificate|certificate unknown|handshake_failure"
    "|failed to connect.*unwrap failed",
    re.IGNORECASE | re.DOTALL,
)
