"""etcd's answers are read by their codes and fields: a member here says the same in words that no etcd has."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tasks.clients.etcd import Compacted, EtcdClient
from tasks.clients.etcd_api import rpc_pb2, rpc_pb2_grpc
from tasks.core.errors import NotYet, Refused

ID = 0x2A
WORDS = "Das geht gerade nicht"


class Member(rpc_pb2_grpc.MaintenanceServicer, rpc_pb2_grpc.ClusterServicer, rpc_pb2_grpc.KVServicer):
    """Its newest revision is 6; `ends` is the code of everything but its status, for so many calls."""

    def __init__(self) -> None:
        self.ends: grpc.StatusCode | None = None
        self.times = 9
        self.status = rpc_pb2.StatusResponse(
            header=rpc_pb2.ResponseHeader(member_id=ID, revision=6), version="3.6.8", leader=ID
        )

    def _answer(self, context: grpc.ServicerContext) -> None:
        if self.ends and self.times:
            self.times -= 1
            context.abort(self.ends, WORDS)

    def Status(self, request: object, context: grpc.ServicerContext) -> rpc_pb2.StatusResponse:  # noqa: N802
        """As it is."""
        del request, context
        return self.status

    def HashKV(self, request: object, context: grpc.ServicerContext) -> rpc_pb2.HashKVResponse:  # noqa: N802
        """Nothing of interest."""
        del request
        self._answer(context)
        return rpc_pb2.HashKVResponse()

    def Range(self, request: object, context: grpc.ServicerContext) -> rpc_pb2.RangeResponse:  # noqa: N802
        """No keys."""
        del request
        self._answer(context)
        return rpc_pb2.RangeResponse()

    def MemberList(self, request: object, context: grpc.ServicerContext) -> rpc_pb2.MemberListResponse:  # noqa: N802
        """Itself."""
        del request
        self._answer(context)
        return rpc_pb2.MemberListResponse(members=[rpc_pb2.Member(ID=ID, name="a")])


@pytest.fixture
def member() -> Member:
    """One that is well."""
    return Member()


@pytest.fixture
def client(member: Member, tmp_path: Path) -> Iterator[EtcdClient]:
    """Of it."""
    server = grpc.server(ThreadPoolExecutor(2))
    rpc_pb2_grpc.add_MaintenanceServicer_to_server(member, server)
    rpc_pb2_grpc.add_ClusterServicer_to_server(member, server)
    rpc_pb2_grpc.add_KVServicer_to_server(member, server)
    server.add_insecure_port(f"unix:{tmp_path}/s")
    server.start()
    with EtcdClient(f"unix:{tmp_path}/s", None, member="a") as opened:
        yield opened
    server.stop(None).wait()


def test_a_revision_that_is_compacted_is_told_from_one_that_is_still_to_come(
    member: Member, client: EtcdClient
) -> None:
    """By the member's own newest one: both have the same code."""
    member.ends = grpc.StatusCode.OUT_OF_RANGE
    for ask in (client.hash_kv, client.count):
        with pytest.raises(Compacted, match=f"revision 4: {WORDS}"):
            ask(4)
        with pytest.raises(NotYet, match="OUT_OF_RANGE") as later:
            ask(9)
        assert not isinstance(later.value, Compacted)


def test_a_learner_is_known_by_its_status(member: Member, client: EtcdClient) -> None:
    """It lists no members; another one that does not is no learner for that."""
    member.ends = grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(NotYet, match=WORDS):
        client.members()
    member.status.is_learner = True
    assert client.members() == ()


@pytest.mark.parametrize(
    ("code", "times", "healthy"),
    [
        (None, 0, True),
        (grpc.StatusCode.UNAVAILABLE, 1, True),
        (grpc.StatusCode.UNAVAILABLE, 9, False),
        (grpc.StatusCode.PERMISSION_DENIED, 9, True),
        (grpc.StatusCode.UNAUTHENTICATED, 9, True),
        (grpc.StatusCode.UNKNOWN, 1, False),
    ],
)
def test_a_member_is_healthy_where_it_answers_a_read_of_the_quorum(
    member: Member, client: EtcdClient, code: grpc.StatusCode | None, times: int, *, healthy: bool
) -> None:
    """Also one that may not be read, and one that is asked in the moment of another leader."""
    member.ends, member.times = code, times
    assert client.status()[2].healthy is healthy


def test_a_member_that_refuses_the_handshake_at_the_read_is_not_healthy(member: Member, client: EtcdClient) -> None:
    """No quorum has answered by that."""
    member.ends = grpc.StatusCode.UNAVAILABLE

    def _refuse(context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "SSL alert: CERTIFICATE_REQUIRED")

    member._answer = _refuse  # type: ignore[method-assign] # noqa: SLF001
    assert client.status()[2].healthy is False
    with pytest.raises(Refused):
        client.members()


@pytest.mark.parametrize(
    ("text", "alarms"),
    [
        (f"memberID:{ID} alarm:NOSPACE ", ("NOSPACE",)),
        (f"memberID:{ID}  alarm:CORRUPT", ("CORRUPT",)),
        (f"memberID:{ID} alarm:MELTING ", ("MELTING",)),
        ("alarm:NOSPACE ", ("NOSPACE",)),
        (f"memberID:{ID}1 alarm:NOSPACE ", ()),
        ("etcdserver: no leader", ()),
    ],
)
def test_an_alarm_that_is_new_or_nobodys_is_an_alarm(
    member: Member, client: EtcdClient, text: str, alarms: tuple[str, ...]
) -> None:
    """Another member's is not this one's."""
    member.status.errors.append(text)
    assert client.status()[2].alarms == alarms
