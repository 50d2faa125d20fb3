"""Reads all pull Secrets, and asks registries from one node whether they take them. It changes nothing."""

from collections.abc import Iterable

from tasks.access.models.pulls import Denied, PullAudit
from tasks.access.policy.pull_secrets import Question, questions_for
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.models.findings import listed
from tasks.core.models.images import Reference
from tasks.core.models.outside import name_of
from tasks.core.words import counted
from tasks.registries.ask import Seat, ask_from, look_from, seat_of
from tasks.registries.models.secrets import Namer
from tasks.registries.models.verdict import Verdict
from tasks.registries.observe import Fingerprints, Read, read_pulls

MOST_ASKED = 20
"""Limits how many questions registries are asked in one audit."""

WHAT = "pull Secrets at their registries"


def look_at_pulls(handle: Cluster, namers: Iterable[Namer | None] | None = None) -> PullAudit:
    """Reads all pull Secrets. Registries are asked for an image that a pod pulls with the Secret."""
    read = read_pulls(handle.kube, Fingerprints(), namers)
    questions, unused = questions_for(read.facts)
    not_checked = [f"{WHAT}: no pod shows which image {listed(unused)} is for"] if unused else []
    if questions[MOST_ASKED:]:
        not_checked.append(f"{WHAT}: {counted(len(questions[MOST_ASKED:]), 'credential')} beyond {MOST_ASKED}")
    denied: list[Denied] = []
    if questions:
        try:
            seat = _seat(handle)
            denied, problems = _ask(handle, seat, questions[:MOST_ASKED], read) if seat else ([], [NOBODY])
        except RunbookError as error:
            problems = [f"{WHAT}: {error.problem}"]
        not_checked += problems
    return PullAudit(facts=read.facts, denied=tuple(denied), not_checked=tuple(not_checked))


NOBODY = f"{WHAT}: the profile has no ssh and nodes, so no registry was asked"


def _seat(handle: Cluster) -> Seat | None:
    """Returns a node of the profile; one that takes pods, if there is one."""
    known = {one.name for one in handle.profile.nodes} if handle.profile.ssh else set()
    nodes = [one for one in _nodes(handle.kube) if one.metadata.name in known]
    free = [one for one in nodes if not one.spec.taints and not one.spec.unschedulable]
    return next((seat_of(one) for one in (*free, *nodes)), None)


def _nodes(kube: KubeClient) -> list[outside.Node]:
    return [outside.Node.read(one, name_of("node", one)) for one in kube.items("/api/v1/nodes")]


def _ask(handle: Cluster, seat: Seat, questions: tuple[Question, ...], read: Read) -> tuple[list[Denied], list[str]]:
    references = {one.image: Reference.of(one.image) for one in questions}
    _, mirrors = look_from(handle, seat, sorted({one.registry for one in references.values()}))
    denied, problems = [], []
    for one in questions:
        reference = references[one.image]
        places = mirrors.places[reference.registry]
        told = ask_from(handle, seat, reference, places, [read.credentials[one.fingerprint]])
        if told.denied:
            found = Denied(secret=one.secret, place=one.place, image=one.image, node=seat.name, said=told.said)
            denied.append(found)
        elif told.verdict not in {Verdict.THERE, Verdict.OTHER_PLATFORM}:
            problems.append(f"{WHAT}: {one.secret} for {one.image}, asked from node {seat.name}: {told.said}")
    return denied, problems
