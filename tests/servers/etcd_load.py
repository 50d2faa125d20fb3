"""Fills etcd with Kubernetes-like keys, many puts in a transaction; as a program it writes and compacts for ever."""

import json
import os
import random
import sys
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc

from tasks.clients.etcd_api import rpc_pb2, rpc_pb2_grpc

PREFIX = "/registry/pods"
OPERATIONS = 100
"""Puts in a transaction; etcd's limit is 128."""
TRANSACTION_BYTES = 1 << 20
"""etcd's limit for a request is 1.5 MiB."""
IN_FLIGHT = 8
"""Transactions under way at once."""
NAMESPACES = 40
BLOCK_BYTES = 1 << 20
COMPACT_EVERY = 20
"""Transactions of the churn between two compactions."""
CHURN_KEYS = 5000
LIMIT_SECONDS = 150.0

MANIFEST = (
    b'{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app.kubernetes.io/name":"web","tier":"front"}},"spec":{}}'
)


@dataclass(frozen=True)
class Access:
    """A member's address, and the files of the client's certificates."""

    target: str
    ca: str
    certificate: str
    key: str

    def to_json(self) -> str:
        """For the command line of a child."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Written:
    """What was written: keys, bytes of values, transactions, compactions, and the last revision."""

    keys: int = 0
    value_bytes: int = 0
    transactions: int = 0
    compactions: int = 0
    revision: int = 0


def seed(access: Access, keys: int, value_size: int, ratio: float, prefix: str = PREFIX) -> Written:
    """Write `keys` distinct keys; as fast as etcd takes them."""
    values = Values(value_size, ratio)
    batches = _batches(keys, values, prefix)
    with _kv(access) as kv:
        return _pipelined(kv, batches, value_size)


def churn(access: Access, value_size: int, counts: Path) -> None:
    """Overwrite the same keys and compact, for ever; `counts` always is a whole JSON document."""
    values = Values(value_size, 2.0)
    written = Written()
    with _kv(access) as kv:
        while True:
            batches = _batches(COMPACT_EVERY * OPERATIONS, values, "/registry/leases", among=CHURN_KEYS)
            round_ = _pipelined(kv, batches, value_size)
            kv.Compact(rpc_pb2.CompactionRequest(revision=round_.revision - 1), timeout=LIMIT_SECONDS)
            written = Written(
                keys=written.keys + round_.keys,
                value_bytes=written.value_bytes + round_.value_bytes,
                transactions=written.transactions + round_.transactions,
                compactions=written.compactions + 1,
                revision=round_.revision,
            )
            _publish(written, counts)


class Values:
    """Values of one size, each another mixture of noise (1/ratio of it) and a repeated manifest."""

    def __init__(self, size: int, ratio: float) -> None:
        self._noise_size = max(1, round(size / ratio))
        text = MANIFEST * (size // len(MANIFEST) + 1)
        self._text = text[: size - self._noise_size]
        self._noise = b""
        self._position = 0

    def next(self) -> bytes:
        """The noise is fresh each time: no compressor finds it again."""
        end = self._position + self._noise_size
        if end > len(self._noise):
            self._noise = os.urandom(max(BLOCK_BYTES, self._noise_size))
            self._position, end = 0, self._noise_size
        noise, self._position = self._noise[self._position : end], end
        return self._text + noise


def _batches(keys: int, values: Values, prefix: str, among: int | None = None) -> Iterator[rpc_pb2.TxnRequest]:
    """Requests for that many distinct keys, or for random ones `among` so many."""
    operations: list[rpc_pb2.RequestOp] = []
    size = 0
    for number in range(keys) if among is None else random.sample(range(among), keys):
        value = values.next()
        put = rpc_pb2.PutRequest(key=_key(prefix, number), value=value)
        if operations and (len(operations) == OPERATIONS or size + len(value) > TRANSACTION_BYTES):
            yield rpc_pb2.TxnRequest(success=operations)
            operations, size = [], 0
        operations.append(rpc_pb2.RequestOp(request_put=put))
        size += len(value)
    if operations:
        yield rpc_pb2.TxnRequest(success=operations)


def _key(prefix: str, number: int) -> bytes:
    """Always the same key for the same number."""
    unique = uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex
    return f"{prefix}/ns-{number % NAMESPACES:02}/web-{unique[:10]}-{unique[10:15]}-{number}".encode()


def _pipelined(kv: rpc_pb2_grpc.KVStub, batches: Iterator[rpc_pb2.TxnRequest], value_size: int) -> Written:
    under_way: deque[grpc.Future[rpc_pb2.TxnResponse]] = deque()
    keys = transactions = revision = 0
    for batch in batches:
        if len(under_way) == IN_FLIGHT:
            revision = max(revision, under_way.popleft().result().header.revision)
        under_way.append(kv.Txn.future(batch, timeout=LIMIT_SECONDS))
        keys, transactions = keys + len(batch.success), transactions + 1
    for call in under_way:
        revision = max(revision, call.result().header.revision)
    return Written(keys, keys * value_size, transactions, 0, revision)


@contextmanager
def _kv(access: Access) -> Iterator[rpc_pb2_grpc.KVStub]:
    credentials = grpc.ssl_channel_credentials(
        Path(access.ca).read_bytes(), Path(access.key).read_bytes(), Path(access.certificate).read_bytes()
    )
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(access.target, credentials, options) as channel:
        yield rpc_pb2_grpc.KVStub(channel)


def _publish(written: Written, counts: Path) -> None:
    temporary = counts.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(written)))
    temporary.rename(counts)


if __name__ == "__main__":
    churn(Access(**json.loads(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3]))
