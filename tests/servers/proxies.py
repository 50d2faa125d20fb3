"""Proxies on loopback that make the network between a client and a real server fail, on request and exactly."""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urlsplit

from tests.servers.pki import KeyPair
from tests.servers.processes import free_port

T = TypeVar("T")

CHUNK_BYTES = 1 << 16
CALL_LIMIT = 60.0
"""Seconds for the proxy's own thread to do what it is told."""

LINGER_LIMIT = 5.0
"""Seconds that a client has to finish a request that was answered before its end."""

GRACE = 0.1
"""Seconds that a request's body has to end after its answer; else the answer came early."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends RST, and drops what was not sent yet."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """What all of them can do: they listen when the block begins, in a thread of their own, and end with it."""

    def __init__(self, host: str, port: int) -> None:
        """`host` and `port` are the server's; the proxy's own `port` is there before it listens."""
        self.host = host
        self.target_port = port
        self.port = free_port()
        self.connections = 0
        """Accepted so far."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_LIMIT)
        self._loop.close()

    def accept(self) -> None:
        """Listen again after `refuse`."""
        self._call(self._accept())

    def refuse(self) -> None:
        """New connections are refused, present ones reset: as when the server's process is gone."""
        self._call(self._refuse())

    def cut(self) -> None:
        """Reset the present connections, on both sides; new ones are served."""
        self._call(self._cut())

    async def _serve(self, client: Streams) -> None:
        """One connection, from its beginning to its end."""
        raise NotImplementedError

    def _listening_tls(self) -> ssl.SSLContext | None:
        return None

    def _connecting_tls(self) -> ssl.SSLContext | None:
        return None

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_LIMIT)

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accepted, "127.0.0.1", self.port, ssl=self._listening_tls(), limit=CHUNK_BYTES
            )

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _close(self) -> None:
        await self._refuse()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._serve((reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)  # the server's connection failed: so does the client's
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Streams]:
        """A connection to the server."""
        reader, writer = await asyncio.open_connection(
            self.host, self.target_port, ssl=self._connecting_tls(), limit=CHUNK_BYTES
        )
        self._writers.add(writer)
        try:
            yield reader, writer
        finally:
            self._writers.discard(writer)
            writer.close()


@dataclass
class _Flow:
    """One direction of one connection."""

    from_server: bool
    counted: int = 0
    """Bytes since the last `cut_after`."""
    tail: bytes = b""
    """The last bytes, in case that a marker spans two reads."""
    flip_next: bool = False


class TcpProxy(Proxy):
    """Passes bytes on, whatever they mean."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.from_client = 0
        """Bytes passed on so far."""
        self.from_server = 0
        self._moving = asyncio.Event()
        self._moving.set()
        self._bytes_per_second: int | None = None
        self._cut_after: int | None = None
        self._flows: list[_Flow] = []

    def freeze(self) -> None:
        """Connections stay and new ones are accepted, but no byte moves: as behind a hanging switch."""
        self._loop.call_soon_threadsafe(self._moving.clear)

    def thaw(self) -> None:
        """Go on after `freeze`; nothing was lost."""
        self._loop.call_soon_threadsafe(self._moving.set)

    def slow(self, bytes_per_second: int | None) -> None:
        """No faster than that, for each connection and direction; None for as fast as it goes."""
        self._bytes_per_second = bytes_per_second

    def cut_after(self, byte_count: int) -> None:
        """Once: reset the first connection on which the server has sent so many bytes, counted from now."""
        for flow in self._flows:
            flow.counted = 0
        self._cut_after = byte_count

    async def _serve(self, client: Streams) -> None:
        async with self._connected() as server:
            up, down = _Flow(from_server=False), _Flow(from_server=True)
            self._flows.append(down)
            try:
                await asyncio.gather(self._pump(client, server, up), self._pump(server, client, down))
            finally:
                self._flows.remove(down)

    async def _pump(self, source: Streams, sink: Streams, flow: _Flow) -> None:
        while data := await source[0].read(_portion(self._bytes_per_second)):
            await self._moving.wait()
            sink[1].write(self._passed(data, flow))
            await sink[1].drain()
            if self._is_due(flow):
                await self._finish(source, sink)
                return
            await _pace(len(data), self._bytes_per_second)
        await self._moving.wait()
        if sink[1].can_write_eof():
            sink[1].write_eof()
        else:
            sink[1].close()

    def _passed(self, data: bytes, flow: _Flow) -> bytes:
        """What is passed on for `data`, counted."""
        if not flow.from_server:
            self.from_client += len(data)
            return data
        if self._cut_after is not None:
            data = data[: max(0, self._cut_after - flow.counted)]
        flow.counted += len(data)
        self.from_server += len(data)
        return data

    def _is_due(self, flow: _Flow) -> bool:
        if not flow.from_server or self._cut_after is None or flow.counted < self._cut_after:
            return False
        self._cut_after = None
        return True

    async def _finish(self, *ends: Streams) -> None:
        """Reset both, after the bytes that were passed on have left: a reset drops what was not sent."""
        for _, writer in ends:
            writer.transport.set_write_buffer_limits(0)
            await writer.drain()
            _reset(writer)


class TlsProxy(TcpProxy):
    """Ends TLS on both sides, so that it can change what is inside."""

    def __init__(  # noqa: PLR0913 - each is a part of one of the two TLS sessions
        self,
        host: str,
        port: int,
        *,
        server: KeyPair,
        client: KeyPair | None,
        ca: Path,
        alpn: Iterable[str] = ("h2",),
    ) -> None:
        """It shows `server` to the client and `client` to the server, and checks the server against `ca`."""
        super().__init__(host, port)
        self._server_pair = server
        self._client_pair = client
        self._ca = ca
        self._alpn = list(alpn)
        self._marker: bytes | None = None

    def flip(self, marker: bytes) -> None:
        """Once: change one bit of the byte right after the next occurrence of the marker in what a server sends."""
        self._marker = marker

    @property
    def flipped(self) -> bool:
        """Did the last `flip` happen?"""
        return self._marker is None

    def _listening_tls(self) -> ssl.SSLContext:
        return _server_context(self._server_pair, self._alpn)

    def _connecting_tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._ca))
        if self._client_pair:
            context.load_cert_chain(self._client_pair.certificate, self._client_pair.key)
        context.set_alpn_protocols(self._alpn)
        return context

    def _passed(self, data: bytes, flow: _Flow) -> bytes:
        data = super()._passed(data, flow)
        if not flow.from_server or self._marker is None or not data:
            return data
        if flow.flip_next:
            return self._flipped(data, 0)
        known = flow.tail + data
        found = known.find(self._marker)
        if found < 0:
            flow.tail = known[-len(self._marker) + 1 :] if len(self._marker) > 1 else b""
            return data
        # The tail is shorter than the marker: its end lies in `data`, or right behind it.
        position = found + len(self._marker) - len(flow.tail)
        if position == len(data):
            flow.flip_next = True
            return data
        return self._flipped(data, position)

    def _flipped(self, data: bytes, position: int) -> bytes:
        self._marker = None
        return _with_flipped_bit(data, position)


@dataclass(frozen=True)
class Request:
    """What a client asked for; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass
class Rule:
    """What happens to the requests that match; built by `S3Proxy.on`, and extended by its own methods."""

    method: str | None
    path: re.Pattern[str]
    query: re.Pattern[str]
    times: int | None
    skip: int
    when: Callable[[Request], bool] = lambda _: True
    hits: int = 0
    """Requests that it was applied to."""
    _seen: int = 0
    _callbacks: list[Callable[[Request], object]] = field(default_factory=list)
    _answer: bytes | None = None
    _end: str = ""
    _bytes_per_second: int | None = None
    _flip_offset: int | None = None

    def answer(
        self,
        status: int,
        code: str = "",
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer with this error of S3 instead of asking the server; `details` are elements beside its code."""
        elements = "".join(f"<{name}>{text}</{name}>" for name, text in {"Code": code, **(details or {})}.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error>{elements}</Error>' if code else ""
        self._answer = _response(status, {"Content-Type": "application/xml", **(headers or {})}, body.encode())
        return self

    def reset(self) -> Self:
        """Reset the connection before the server hears of the request."""
        self._end = "reset"
        return self

    def lose_response(self) -> Self:
        """Let the server carry it out, and reset the connection instead of passing the answer on."""
        self._end = "lose"
        return self

    def hang(self) -> Self:
        """Never ask, never answer, keep the connection."""
        self._end = "hang"
        return self

    def slow(self, bytes_per_second: int) -> Self:
        """Pass both bodies on no faster than that."""
        self._bytes_per_second = bytes_per_second
        return self

    def flip_bit_in_response(self, offset: int) -> Self:
        """Change one bit of that byte of the answer's body."""
        self._flip_offset = offset
        return self

    def then(self, callback: Callable[[Request], object]) -> Self:
        """Call this when the request's head has arrived, before the server hears of it; it may take its time."""
        self._callbacks.append(callback)
        return self

    def applies_to(self, request: Request) -> bool:
        """Count the request if it matches: is it one of those that are meant?"""
        if not _matches(request, self.method, self.path, self.query) or not self.when(request):
            return False
        self._seen += 1
        if self._seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class Hold:
    """The requests of a rule stop on their way until the block ends; it begins when the first has come.

    Every one of them, for a client gives a request up after a minute and tries again.
    """

    def __init__(self, rule: Rule, limit: float) -> None:
        """From now on; `limit` is in seconds, for the first to come and for each to be let go."""
        self._limit = limit
        self._reached, self._released = threading.Event(), threading.Event()
        rule.then(self._stop)

    def __enter__(self) -> Self:
        assert self._reached.wait(self._limit), "no such request came"
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()

    def _stop(self, request: Request) -> None:
        del request
        self._reached.set()
        self._released.wait(self._limit)


@dataclass
class _Head:
    """The lines of a request or response up to its body, as they came."""

    raw: bytes
    first: list[str]
    headers: dict[str, str]

    @property
    def status(self) -> int:
        return int(self.first[1])


@dataclass(frozen=True)
class _Effects:
    """The rules that apply to one request, as one: the last that says something wins."""

    callbacks: list[Callable[[Request], object]]
    answer: bytes | None
    end: str
    bytes_per_second: int | None
    flip_offset: int | None


class S3Proxy(Proxy):
    """A reverse proxy for HTTP/1.1 that passes heads on unchanged, Host included, so that signatures stay valid."""

    def __init__(self, endpoint: str, *, tls: KeyPair | None = None) -> None:
        """`endpoint` is the server's, plain HTTP; with `tls` the proxy itself speaks HTTPS to its clients."""
        address = urlsplit(endpoint)
        assert address.scheme == "http", endpoint
        assert address.hostname, endpoint
        assert address.port, endpoint
        super().__init__(address.hostname, address.port)
        self._tls = tls
        self._rules: list[Rule] = []
        self.requests: list[Request] = []
        """Every request so far, in the order of their heads' arrival."""

    @property
    def endpoint(self) -> str:
        """What the client under test is given."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def on(  # noqa: PLR0913 - each says which requests are meant
        self,
        *,
        method: str | None = None,
        path: str = "",
        query: str = "",
        times: int | None = None,
        skip: int = 0,
        when: Callable[[Request], bool] = lambda _: True,
    ) -> Rule:
        """A rule for requests that match; expressions are searched for, `path` in the decoded path.

        It leaves the first `skip` of them alone, and applies to `times` of them, or to all the rest.
        """
        rule = Rule(method, re.compile(path), re.compile(query), times, skip, when)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget the rules, not the requests."""
        self._rules.clear()

    def seen(self, *, method: str | None = None, path: str = "", query: str = "") -> list[Request]:
        """The requests so far that match, as for `on`."""
        wanted = re.compile(path), re.compile(query)
        return [request for request in self.requests if _matches(request, method, *wanted)]

    def _listening_tls(self) -> ssl.SSLContext | None:
        return _server_context(self._tls, ["http/1.1"]) if self._tls else None

    async def _serve(self, client: Streams) -> None:
        """Request after request; the server is connected to when the first one needs it."""
        async with contextlib.AsyncExitStack() as stack:
            server: Streams | None = None
            while (head := await _read_head(client[0])) is not None:
                request = _request(head)
                self.requests.append(request)
                effects = self._effects(request)
                if await self._is_ended_early(request, effects, client):
                    return
                if server is None:
                    server = await stack.enter_async_context(self._connected())
                if not await _exchange(head, client, server, effects):
                    return

    def _effects(self, request: Request) -> _Effects:
        rules = [rule for rule in self._rules if rule.applies_to(request)]
        return _Effects(
            [callback for rule in rules for callback in rule._callbacks],  # noqa: SLF001 - a rule is ours
            next((rule._answer for rule in reversed(rules) if rule._answer is not None), None),  # noqa: SLF001
            next((rule._end for rule in reversed(rules) if rule._end), ""),  # noqa: SLF001
            next((rule._bytes_per_second for rule in reversed(rules) if rule._bytes_per_second), None),  # noqa: SLF001
            next((rule._flip_offset for rule in reversed(rules) if rule._flip_offset is not None), None),  # noqa: SLF001
        )

    async def _is_ended_early(self, request: Request, effects: _Effects, client: Streams) -> bool:
        """Was the request dealt with without the server?"""
        for callback in effects.callbacks:
            await asyncio.to_thread(callback, request)
        if effects.end == "reset":
            _reset(client[1])
        elif effects.end == "hang":
            await asyncio.Event().wait()
        elif effects.answer is not None:
            answer = effects.answer
            client[1].write(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == "HEAD" else answer)
            await _close_gently(client)
        else:
            return False
        return True


async def _exchange(head: _Head, client: Streams, server: Streams, effects: _Effects) -> bool:
    """One request and its answer; can the connections be used for another?

    The request's body flows while the answer is waited for: an answer may come early, or be `100 Continue`.
    """
    server[1].write(head.raw)
    body = asyncio.create_task(_pass_on(_body(client[0], head), server[1], effects.bytes_per_second, None))
    try:
        answer = await _read_answer(server, client, effects)
        if answer is None:
            return False
        has_body = head.first[0] != "HEAD" and answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        if has_body:
            pieces = _body(server[0], answer, until_end=True)
            await _pass_on(pieces, client[1], effects.bytes_per_second, effects.flip_offset)
        await asyncio.wait({body}, timeout=GRACE)
        if not body.done() or _closes(answer) or (has_body and not _is_framed(answer)):
            await _close_gently(client)
            return False
        return True
    finally:
        body.cancel()
        await asyncio.gather(body, return_exceptions=True)


async def _read_answer(server: Streams, client: Streams, effects: _Effects) -> _Head | None:
    """The head of the final answer, passed on to the client; None when the client is not to have it."""
    while answer := await _read_head(server[0]):
        if effects.end == "lose" and answer.status >= HTTPStatus.OK:
            break
        client[1].write(answer.raw)
        await client[1].drain()
        if answer.status >= HTTPStatus.OK:
            return answer
    _reset(client[1])
    return None


async def _pass_on(
    pieces: AsyncIterator[tuple[bytes, bool]],
    writer: asyncio.StreamWriter,
    bytes_per_second: int | None,
    flip_offset: int | None,
) -> None:
    """Write the pieces of a body; offsets count its content, not the framing of chunks."""
    offset = 0
    async for piece, is_content in pieces:
        data = piece
        if is_content:
            if flip_offset is not None and offset <= flip_offset < offset + len(data):
                data = _with_flipped_bit(data, flip_offset - offset)
            offset += len(data)
        for start in range(0, len(data), step := _portion(bytes_per_second)):
            part = data[start : start + step]
            writer.write(part)
            await writer.drain()
            await _pace(len(part), bytes_per_second)


async def _body(
    reader: asyncio.StreamReader, head: _Head, *, until_end: bool = False
) -> AsyncIterator[tuple[bytes, bool]]:
    """The pieces of a body as they come: bytes, and whether they are content."""
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        async for piece in _chunks(reader):
            yield piece
    elif "content-length" in head.headers:
        async for data in _exactly(reader, int(head.headers["content-length"])):
            yield data, True
    elif until_end:
        while data := await reader.read(CHUNK_BYTES):
            yield data, True


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bool]]:
    while True:
        line = await reader.readuntil(b"\r\n")
        yield line, False
        if size := int(line.split(b";")[0], 16):
            async for data in _exactly(reader, size):
                yield data, True
            yield await reader.readexactly(2), False
            continue
        while line != b"\r\n":  # trailers
            line = await reader.readuntil(b"\r\n")
            yield line, False
        return


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size:
        data = await reader.read(min(size, CHUNK_BYTES))
        if not data:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(data)
        yield data


async def _read_head(reader: asyncio.StreamReader) -> _Head | None:
    """None at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return _Head(raw, first.split(" ", 2), {name.strip().lower(): value.strip() for name, _, value in pairs})


def _request(head: _Head) -> Request:
    path, _, query = head.first[1].partition("?")
    return Request(head.first[0], unquote(path), query, head.headers)


def _matches(request: Request, method: str | None, path: re.Pattern[str], query: re.Pattern[str]) -> bool:
    return bool(method in {None, request.method} and path.search(request.path) and query.search(request.query))


def _response(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    whole = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in whole.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode() + body


def _closes(head: _Head) -> bool:
    return "close" in head.headers.get("connection", "").lower()


def _is_framed(head: _Head) -> bool:
    return "content-length" in head.headers or "transfer-encoding" in head.headers


async def _close_gently(streams: Streams) -> None:
    """Close, but read what is still coming first: closing with unread bytes would reset, and lose the answer."""
    reader, writer = streams
    with contextlib.suppress(OSError, TimeoutError):
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(LINGER_LIMIT):
            while await reader.read(CHUNK_BYTES):
                pass


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, AttributeError):  # closed already; if it is TLS, the question raises too
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def _portion(bytes_per_second: int | None) -> int:
    """How much to pass on at once: a slow stream is to flow, not to stutter."""
    return min(CHUNK_BYTES, max(1, bytes_per_second // 20)) if bytes_per_second else CHUNK_BYTES


async def _pace(size: int, bytes_per_second: int | None) -> None:
    if bytes_per_second:
        await asyncio.sleep(size / bytes_per_second)


def _with_flipped_bit(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def _server_context(pair: KeyPair, alpn: list[str]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(alpn)
    return context
