"""Registries are asked for an image by the script of a node, over real HTTP: by anybody, with a password, with a token."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tasks.core.models.images import Reference
from tasks.registries.models.credentials import Credential
from tasks.registries.models.verdict import Verdict
from tasks.registries.probes import registry
from tasks.registries.probes.mirrors import Place
from tasks.registries.probes.registry import Answer, Platform, Told, ask_command, ask_places, in_lines, parse_answer

WEB = Reference.of("registry.example/shop/web:2")
ADA = Credential("pull", "ada", "pass:word")
EVE = Credential("old", "eve", "x")
BASIC = f"Basic {base64.b64encode(b'ada:pass:word').decode()}"
AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")


class Registry(BaseHTTPRequestHandler):
    """Has shop/web:2. `protect` is the scheme by which it is protected."""

    protect = ""
    manifest: Mapping[str, Any] = {"config": {"digest": "sha256:c"}}
    config: Mapping[str, Any] = {"os": "linux", "architecture": "amd64"}
    fault = 0
    asked: list[str] = []  # noqa: RUF012 - a new one in each test

    def do_GET(self) -> None:
        """Answers as the specification of the registry's API has it."""
        parts = urlsplit(self.path)
        authorization = self.headers.get("Authorization", "")
        self.asked.append(f"{self.path} {authorization}".strip())
        if parts.path == "/token":
            self._token(authorization, parse_qs(parts.query))
        elif self.fault:
            self._say(self.fault, {"errors": [{"code": "TOOMANYREQUESTS", "message": "wait a minute"}]})
        elif self.protect and authorization != {"Bearer": "Bearer a-token", "Basic": BASIC}.get(self.protect):
            host = self.headers["Host"]
            challenge = {
                "Bearer": f'Bearer realm="http://{host}/token",service="registry",scope="repository:shop/web:pull"',
                "Basic": 'Basic realm="registry"',
            }.get(self.protect, self.protect)
            self._say(401, {"errors": [{"code": "UNAUTHORIZED"}]}, challenge)
        elif parts.path == "/v2/shop/web/manifests/2":
            self._say(200, self.manifest)
        elif parts.path == "/v2/shop/web/blobs/sha256:c":
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
        elif parts.path == "/elsewhere":
            self._say(200, self.config)
        else:
            self._say(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})

    def _token(self, authorization: str, query: Mapping[str, Sequence[str]]) -> None:
        if query != {"scope": ["repository:shop/web:pull"], "service": ["registry"]}:
            self._say(400, {})
        elif authorization == BASIC:
            self._say(200, {"access_token": "a-token"})
        elif authorization:
            self._say(401, {"details": "incorrect username or password"})
        else:
            self._say(200, {"token": "of-anybody"})

    def _say(self, status: int, body: Mapping[str, Any], challenge: str = "") -> None:
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """It serves, unprotected."""
    monkeypatch.setattr(Registry, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Place(f"http://127.0.0.1:{server.server_port}/v2")
        server.shutdown()


def send(lines: Sequence[str]) -> Answer:
    """From this very machine, by a shell."""
    done = subprocess.run(["sh", "-c", ask_command()], input=in_lines(lines), capture_output=True, check=True)
    return parse_answer(done.stdout)


def ask(place: Place, *credentials: Credential, image: Reference = WEB, platform: Platform = AMD) -> Told:
    """One place."""
    return ask_places(image, [place], credentials, platform, send)


def test_an_image_is_there_or_not(place: Place) -> None:
    """In the registry's own words, with what it was asked with. A password is sent to no one who does not ask for it."""
    assert ask(place) == Told(Verdict.THERE, f"{place.host} (without credentials): 200")
    told = ask(place, ADA, image=Reference.of("registry.example/shop/web:3"))
    assert told == Told(Verdict.REFUSED, f"{place.host} (with Secret pull): 404 MANIFEST_UNKNOWN: manifest unknown")
    assert Registry.asked[-1] == "/v2/shop/web/manifests/3"


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_protected_registry_gets_the_credentials(place: Place, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, until one is right; without any it is denied."""
    monkeypatch.setattr(Registry, "protect", scheme)
    assert ask(place, EVE, ADA).verdict is Verdict.THERE
    assert ask(place, EVE).verdict is Verdict.REFUSED
    assert ask(place) == Told(Verdict.REFUSED, f"{place.host} (without credentials): 401 UNAUTHORIZED", denied=True)


def test_a_token_is_asked_for_with_the_files_of_the_place_and_without_its_headers(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header may be a secret for the place alone."""
    monkeypatch.setattr(Registry, "protect", "Bearer")
    sent: list[Sequence[str]] = []

    def kept(lines: Sequence[str]) -> Answer:
        sent.append(lines)
        return send(lines)

    header = 'header = "x-key: of-the-place"'
    ask_places(WEB, [Place(place.url, "", ("insecure", header))], [ADA], AMD, kept)
    first, token, second = sent[:3]
    assert "/token?" in token[0]
    assert [("insecure" in lines, header in lines) for lines in (first, token, second)] == [
        (True, True),
        (True, False),
        (True, True),
    ]


@pytest.mark.parametrize("challenge", ["Negotiate", "Bearer service=x", 'Basic realm="x"'])
def test_a_challenge_that_cannot_be_answered_is_a_refusal(
    place: Place, challenge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the status of it."""
    monkeypatch.setattr(Registry, "protect", challenge)
    assert ask(place).said.endswith(": 401 UNAUTHORIZED")


def test_a_token_that_is_none_is_no_token(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some answer 200 with an empty one."""
    monkeypatch.setattr(Registry, "protect", f'Bearer realm="http://{place.host.partition("//")[2]}/elsewhere?a=b"')
    assert ask(place).said.endswith(": 401 UNAUTHORIZED")
    assert Registry.asked[-1] == "/elsewhere?a=b&scope=repository%3Ashop%2Fweb%3Apull"


@pytest.mark.parametrize(
    ("manifest", "config", "platform", "said"),
    [
        ({"config": {"digest": "sha256:c"}}, {"os": "linux", "architecture": "amd64"}, AMD, ""),
        ({"config": {"digest": "sha256:c"}}, {"os": "linux", "architecture": "386"}, AMD, ""),
        ({"config": {"digest": "sha256:c"}}, {"os": "linux", "architecture": "amd64"}, ARM, "linux/amd64"),
        ({"config": {"digest": "sha256:c"}}, {}, ARM, ""),
        ({"schemaVersion": 1}, {}, ARM, ""),
        ({"config": {"digest": "sha256:c"}}, {"os": "linux", "architecture": "s390x"}, Platform("linux", ""), ""),
        ({"manifests": [{"platform": {"os": "linux", "architecture": "arm64"}}, {}]}, {}, AMD, "linux/arm64"),
        ({"manifests": [{"platform": {"os": "unknown", "architecture": "unknown"}}]}, {}, AMD, ""),
    ],
)
def test_the_platform_is_compared_with_that_of_the_node(  # noqa: PLR0913, PLR0917 - a table
    place: Place,
    manifest: dict[str, Any],
    config: dict[str, Any],
    platform: Platform,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An image that names none may be for all."""
    monkeypatch.setattr(Registry, "manifest", manifest)
    monkeypatch.setattr(Registry, "config", config)
    told = ask(place, platform=platform)
    if said:
        words = f"it is for {said}, and the node is linux/{platform.architecture}"
        assert told == Told(Verdict.OTHER_PLATFORM, words)
    else:
        assert told.verdict is Verdict.THERE


def test_who_does_not_answer_says_nothing_of_the_image(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that is down, and one that has no time. Another place that has the image is enough."""
    down = Place("http://127.0.0.1:1/v2", "registry.example")
    told = ask(down)
    assert told.verdict is Verdict.UNKNOWN
    assert told.said.startswith("http://127.0.0.1:1 (without credentials): no answer: curl: (7) ")
    assert ask_places(WEB, [down, place], (), AMD, send).verdict is Verdict.THERE
    absent = Reference.of("registry.example/shop/web:3")
    assert ask_places(absent, [down, place], (), AMD, send).verdict is Verdict.UNKNOWN
    monkeypatch.setattr(Registry, "fault", 429)
    assert ask(place) == Told(
        Verdict.UNKNOWN, f"{place.host} (without credentials): 429 TOOMANYREQUESTS: wait a minute"
    )


def test_a_mirror_is_told_whose_images_it_is_asked_for(place: Place) -> None:
    """As containerd tells it."""
    assert ask(Place(place.url, "registry.example")).verdict is Verdict.THERE
    assert Registry.asked[0] == "/v2/shop/web/manifests/2?ns=registry.example"


def test_the_proxies_of_the_runtime_are_used(tmp_path: Path, place: Place) -> None:
    """They are in the environment of its process."""
    (tmp_path / "proc" / "7").mkdir(parents=True)
    variables = (f"HTTP_PROXY={place.host}", "HTTPS_PROXY=http://p", "NO_PROXY=a", "OTHER=b")
    (tmp_path / "proc" / "7" / "environ").write_text("".join(f"{one}\0" for one in variables))
    text = "systemctl() { echo 7; }\n" + ask_command().replace("/proc/", f"{tmp_path}/proc/")
    lines = ['url = "http://registry.example/v2/shop/web/manifests/2"']
    done = subprocess.run(["sh", "-c", text], input=in_lines(lines), capture_output=True, check=True)
    assert parse_answer(done.stdout).status == 200
    assert Registry.asked == ["http://registry.example/v2/shop/web/manifests/2"]


@pytest.mark.parametrize("stdout", [b"", b"status 000\ncurl 7 ", b"curl 127 !", b"status 200\ncurl 0 \nbody !"])
def test_an_answer_that_was_cut_off_is_none(stdout: bytes) -> None:
    """Or one without a body."""
    answer = parse_answer(stdout)
    assert (answer.told, answer.headers) == ({}, {})
    assert answer.status == 200 or answer.words == "no answer: curl gave no reason"


def test_words_of_a_registry_may_be_anything() -> None:
    """Not JSON, no object, no list."""
    assert Answer(404, {}, b"[]").words == "404"
    assert Answer(404, {}, b'{"errors": ["x"]}').words == "404"
    assert Answer(404, {}, b"<html>").words == "404"
    assert registry.ASK_SECONDS == 15
