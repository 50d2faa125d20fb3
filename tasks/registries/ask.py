"""Asks registries from a node, with the credentials of Secrets. A node gets a credential on standard input only."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.models.images import Reference
from tasks.core.redaction import remember_secret
from tasks.registries.models.credentials import Credential
from tasks.registries.models.verdict import Verdict
from tasks.registries.policy.pull_secrets import credentials_for
from tasks.registries.probes import image_facts
from tasks.registries.probes.image_facts import ImageFacts, Mirrors
from tasks.registries.probes.mirrors import Place, folders_of
from tasks.registries.probes.registry import (
    ASK_SECONDS,
    Answer,
    Platform,
    Told,
    ask_command,
    ask_places,
    in_lines,
    parse_answer,
)

LIMIT = timedelta(seconds=60)
"""Limits how long a node may take to list its images."""

ANSWER = timedelta(seconds=ASK_SECONDS)
"""Limits how long a registry may take."""


class Seat(NamedTuple):
    """Is a node that pulls images."""

    name: str
    platform: Platform
    runtime: str


def seat_of(node: outside.Node) -> Seat:
    """Returns what the API knows about a node that pulls images."""
    info = node.status.node_info
    return Seat(node.metadata.name, Platform(info.operating_system, info.architecture), info.container_runtime_version)


def look_from(handle: Cluster, node: Seat, registries: Sequence[str]) -> tuple[ImageFacts, Mirrors]:
    """Asks a node for its images, and from where it pulls others; raises `NotYet` or `Refused` if it does not answer."""
    shell, endpoint = handle.shell(node.name), handle.shape(node.name).kubelet.runtime_endpoint
    stdout = shell.ask(image_facts.look_at_images(endpoint), limit=LIMIT)
    facts = image_facts.parse_images(stdout, is_containerd=node.runtime.startswith("containerd://"))
    folders = [folder for registry in registries for folder in folders_of(registry, facts.roots)]
    told = (
        shell.ask(image_facts.look_at_mirrors(), stdin=image_facts.in_lines(folders), limit=LIMIT) if folders else b""
    )
    return facts, image_facts.parse_mirrors(told, facts.roots, registries)


def ask_from(
    handle: Cluster, node: Seat, reference: Reference, places: Sequence[Place], credentials: Sequence[Credential]
) -> Told:
    """Asks for an image from a node with each credential, or as anybody; what does not answer is an answer, too."""
    shell = handle.shell(node.name)

    def send(lines: Sequence[str]) -> Answer:
        return parse_answer(shell.ask(ask_command(), stdin=in_lines(lines), limit=2 * ANSWER))

    try:
        return ask_places(reference, places, credentials, node.platform, send)
    except RunbookError as error:
        return Told(Verdict.UNKNOWN, error.problem)


def read_credentials(
    kube: KubeClient, namespace: str, secrets: Sequence[str], reference: Reference
) -> tuple[list[Credential], list[str]]:
    """Returns the credentials that the kubelet tries for an image, and why others are not known.

    A Secret that does not exist adds nothing, for the kubelet neither.
    """
    found: list[Credential] = []
    problems = []
    for name in secrets:
        try:
            raw = kube.find(f"/api/v1/namespaces/{namespace}/secrets/{name}")
            found += credentials_for(reference, name, raw) if raw else ()
        except RunbookError as error:
            problems.append(f"Secret {name} could not be read: {error.problem}")
        except ValueError as error:
            problems.append(f"Secret {name}: {error}")
    for one in found:
        remember_secret(one.password)
    return found, problems
