"""Which Prefect server a run of the command uses: a busy one is waited for, one that is missing is not."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kube_runbooks import run


@contextmanager
def server(answers: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """Answers with these statuses, one a request; 0 is silence. Yields its address and what it has answered."""
    given: list[int] = []
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = answers[len(given)]
            given.append(status)
            if status:
                self.send_response(status)
                self.end_headers()
            else:
                end.wait()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/api", given
        finally:
            end.set()
            http.shutdown()
            thread.join()


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What the command says of the server at an address."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(run, "ANSWER_SECONDS", 0.3)
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "300")  # it is set by the choice
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

    def ask(url: str) -> str:
        monkeypatch.setenv(run.SERVER, url)
        return run.choose_server.__wrapped__()

    return ask


@pytest.mark.parametrize("busy", [503, 500, 0])
def test_a_busy_server_is_asked_again(chosen: Callable[[str], str], busy: int) -> None:
    """SQLite that is locked, or no answer at all: the run belongs in the UI of this server."""
    with server((busy, busy, 200)) as (url, given):
        assert chosen(url) == f"Prefect server: {url}"
    assert given == [busy, busy, 200]


@pytest.mark.parametrize(("busy", "why"), [(503, "answers with status 503"), (0, "does not answer: timed out")])
def test_a_server_that_stays_busy_is_named_with_its_answer(
    chosen: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, busy: int, why: str
) -> None:
    """After that the run has a server of its own."""
    monkeypatch.setattr(run, "BUSY_SECONDS", 0.0)
    with server((busy,)) as (url, _):
        assert f"none ({url} {why}). This run starts its own" in chosen(url)


def test_what_is_no_server_is_told_at_once(chosen: Callable[[str], str]) -> None:
    """An address that is not Prefect's, a port where nothing listens, and what is no address."""
    with server((404,)) as (url, given):
        assert f"({url} answers with status 404)" in chosen(url)
        assert given == [404]
    assert f"({url} does not answer: " in chosen(url)
    assert "(prod:4200 is not an HTTP address)" in chosen("prod:4200")
