"""Asks a registry for an image as a container runtime does: its manifest, with the token that the registry requires.

Nothing is pulled. What counts is the status of HTTP, never a registry's wording.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tasks.core.models.images import Reference
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.registries.models.credentials import Credential
from tasks.registries.models.verdict import Verdict
from tasks.registries.probes.mirrors import Place, option

JSON = Mapping[str, Any]

ASK_SECONDS = 15
"""Limits how long one answer of a registry may take, in seconds."""

MOST_BYTES = 2**20
"""Limits the bytes of an answer. The largest manifests have some tens of kB."""

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
ANSWERED = DENIED | {HTTPStatus.NOT_FOUND}
"""Lists the answers that mean: this image does not exist, or not for these credentials."""

RUNS = {"amd64": {"amd64", "386"}, "arm64": {"arm64", "arm"}}
"""Maps the architecture of a node to those of the images that it runs."""

LONGEST = 200
"""Limits the characters of a registry's words."""


@dataclass(frozen=True)
class Answer:
    """Is what a registry answered. Its body may be a token, so it is no model."""

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes = field(repr=False)
    why: str = ""
    """It says why there is no answer."""

    @property
    def told(self) -> JSON:
        """Returns the JSON object of the body; empty if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def words(self) -> str:
        """Returns the status, and the registry's words for it."""
        if not self.status:
            return f"no answer: {self.why or 'curl gave no reason'}"
        errors = self.told.get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        words = ": ".join(str(first[name]) for name in ("code", "message") if first.get(name))
        return f"{self.status} {words}".strip()[:LONGEST]


Send = Callable[[Sequence[str]], Answer]
"""It sends lines of a configuration of curl from a node, and returns the answer."""


class Platform(NamedTuple):
    """Says what a node runs."""

    os: str
    architecture: str


class Told(NamedTuple):
    """Says what was found out about an image."""

    verdict: Verdict
    said: str
    denied: bool = False
    """The registry refuses the credential, or asks for one: it did not say whether the image exists."""


def ask_command() -> str:
    """Returns the command that sends one request from a node; standard input is `in_lines`."""
    return script(__file__, "ask_registry", ask_seconds=ASK_SECONDS, most_bytes=MOST_BYTES)


def in_lines(lines: Sequence[str]) -> bytes:
    """Encodes a configuration of curl. It may have a password, so it is never a word of a command."""
    return "".join(f"{one}\n" for one in lines).encode()


def parse_answer(stdout: bytes) -> Answer:
    """Parses the output of `ask_command`."""
    told = Printed.of(stdout)
    code, (status, _, words) = told.one("status"), told.one("curl").partition(" ")
    head = _decoded(told.one("head")).decode(errors="replace")
    last = re.split(r"\r?\n\r?\n", head.strip())[-1]  # each redirect has a head of its own
    headers: dict[str, tuple[str, ...]] = {}
    for line in last.splitlines()[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = (*headers.get(name.lower(), ()), value.strip())
    has_answer = status == "0" and code.isdigit()
    why = _decoded(words).decode(errors="replace").strip()[:LONGEST]
    return Answer(int(code) if has_answer else 0, headers, _decoded(told.one("body")), why)


def ask_places(
    reference: Reference, places: Sequence[Place], credentials: Sequence[Credential], platform: Platform, send: Send
) -> Told:
    """Asks one place after the other until one has the image, as containerd does.

    If none has it, a place that did not answer might: then it is not known.
    """
    told = []
    for place in places:
        found = _ask_place(reference, place, credentials, platform, send)
        if found.verdict in {Verdict.THERE, Verdict.OTHER_PLATFORM}:
            return found
        told.append(found)
    verdict = Verdict.UNKNOWN if any(one.verdict is Verdict.UNKNOWN for one in told) else Verdict.REFUSED
    said = "; ".join(dict.fromkeys(one.said for one in told))
    return Told(verdict, said, verdict is Verdict.REFUSED and any(one.denied for one in told))


def _ask_place(
    reference: Reference, place: Place, credentials: Sequence[Credential], platform: Platform, send: Send
) -> Told:
    """Tries each credential; without one, it asks as anybody."""
    told = [_ask_as(reference, place, one, platform, send) for one in credentials or (None,)]
    return next((one for one in told if one.verdict is not Verdict.REFUSED), told[-1])


def _ask_as(reference: Reference, place: Place, credential: Credential | None, platform: Platform, send: Send) -> Told:
    who = f"with Secret {credential.secret}" if credential else "without credentials"
    where = f"{place.host} ({who})"
    asked = Asked(place, reference, credential, send)
    answer = asked.get(f"manifests/{reference.version}")
    if answer.status == HTTPStatus.OK:
        return _of_platform(asked, answer, platform, where)
    verdict = Verdict.REFUSED if answer.status in ANSWERED else Verdict.UNKNOWN
    return Told(verdict, f"{where}: {answer.words}", answer.status in DENIED)


def _of_platform(asked: "Asked", answer: Answer, platform: Platform, where: str) -> Told:
    """Compares the platforms of an image with that of the node; an image that names none counts as fitting."""
    offered = _platforms(answer.told) if "manifests" in answer.told else _platform_of_config(asked, answer.told)
    runs = RUNS.get(platform.architecture, {platform.architecture})
    fits = any(one.os == platform.os and one.architecture in runs for one in offered)
    if fits or not offered or not platform.architecture:
        return Told(Verdict.THERE, f"{where}: {answer.status}")
    names = ", ".join(sorted({"/".join(one) for one in offered}))
    return Told(Verdict.OTHER_PLATFORM, f"it is for {names}, and the node is {platform.os}/{platform.architecture}")


def _platforms(index: JSON) -> list[Platform]:
    found = [one.get("platform") or {} for one in index["manifests"]]
    pairs = [Platform(str(one.get("os", "")), str(one.get("architecture", ""))) for one in found]
    return [one for one in pairs if one.architecture not in {"", "unknown"}]


def _platform_of_config(asked: "Asked", manifest: JSON) -> list[Platform]:
    digest = (manifest.get("config") or {}).get("digest")
    config = asked.get(f"blobs/{digest}").told if digest else {}
    return [Platform(str(config.get("os", "")), str(config["architecture"]))] if config.get("architecture") else []


class Asked:
    """Sends requests about one image to one place. It remembers the token that the place requires."""

    def __init__(self, place: Place, reference: Reference, credential: Credential | None, send: Send) -> None:
        self._place = place
        self._reference = reference
        self._basic = ""
        if credential:
            pair = f"{credential.user}:{credential.password}".encode()
            self._basic = f"Basic {base64.b64encode(pair).decode()}"
        self._authorization = ""
        self._send = send

    def get(self, path: str) -> Answer:
        """Sends a request; if the place requires a token or a password, it sends it again with that."""
        answer = self._request(path)
        if answer.status != HTTPStatus.UNAUTHORIZED or self._authorization:
            return answer
        challenges = [parse_challenge(one) for one in answer.headers.get("www-authenticate", ())]
        bearer = next((fields for scheme, fields in challenges if scheme == "bearer" and fields.get("realm")), None)
        if bearer:
            told = self._token(bearer)
            token = told.told.get("token") or told.told.get("access_token")
            if not token:
                return told if told.status != HTTPStatus.OK else answer
            self._authorization = f"Bearer {token}"
        elif self._basic and any(scheme == "basic" for scheme, _ in challenges):
            self._authorization = self._basic
        return self._request(path) if self._authorization else answer

    def _request(self, path: str) -> Answer:
        namespace = f"?{urlencode({'ns': self._place.mirrors})}" if self._place.mirrors else ""
        lines = [
            option("url", f"{self._place.url}/{self._reference.repository}/{path}{namespace}"),
            option("header", f"Accept: {', '.join((*MANIFESTS, '*/*'))}"),
            *self._place.options,
        ]
        if self._authorization:
            lines.append(option("header", f"Authorization: {self._authorization}"))
        return self._send(lines)

    def _token(self, fields: Mapping[str, str]) -> Answer:
        query = {"scope": f"repository:{self._reference.repository}:pull"}
        query |= {name: fields[name] for name in ("service", "scope") if fields.get(name)}
        realm = fields["realm"]
        lines = [option("url", f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}")]
        lines += [option("header", f"Authorization: {self._basic}")] if self._basic else []
        return self._send([*lines, *(one for one in self._place.options if not one.startswith("header"))])


def parse_challenge(text: str) -> tuple[str, dict[str, str]]:
    """Parses a header WWW-Authenticate: `Bearer realm="https://auth.example/token",service="x"`."""
    scheme, _, rest = text.partition(" ")
    fields: Iterator[tuple[str, str]] = (
        (found[1].lower(), found[2] if found[2] is not None else found[3])
        for found in re.finditer(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', rest)
    )
    return scheme.lower(), dict(fields)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
