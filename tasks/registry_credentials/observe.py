"""Observes what a rotation of registry credentials needs to know. Credentials stay in the memory of this process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from tasks.access.models.pull_secrets import PullSecret
from tasks.access.policy_file import path_of_policy, read_policy
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, RunbookError
from tasks.core.models import outside
from tasks.core.models.findings import listed
from tasks.core.models.images import Reference
from tasks.core.models.outside import name_of
from tasks.core.redaction import remember_secret
from tasks.core.secrets import resolve_secret
from tasks.core.settings import Settings
from tasks.registries.ask import Seat, ask_from, look_from, read_credentials, seat_of
from tasks.registries.models.credentials import Credential
from tasks.registries.models.secrets import PullFacts
from tasks.registries.observe import Fingerprints, Read, read_pulls, read_salt
from tasks.registries.policy.contents import is_of
from tasks.registry_credentials.models import NEW, NOBODY, OLD, Asked, CredentialFacts, Proven, Wanted
from tasks.registry_credentials.policy.names import find, has_credential

MOST_OLD = 20
"""Limits how many old credentials a registry is asked about."""

POLICY = "docs/registry-credentials.md explains the fields"


@dataclass(frozen=True)
class Declared:
    """Is an entry of the policy with its credential. It is no model, so that it is never part of a result."""

    entry: PullSecret
    password: str = field(repr=False)
    previous: str = field(repr=False)


def read_declared(cluster: str, registry: str) -> tuple[Declared, ...]:
    """Reads the entries of the policy for a registry, and their passwords; `Refused` says what is missing."""
    folder = Settings().clusters
    policy, path = read_policy(folder, cluster), path_of_policy(folder, cluster)
    entries = policy.pull_secrets if policy else ()
    found = [one for one in entries if one.registry == registry]
    if not found:
        known = listed(sorted({one.registry for one in entries}))
        told = f"it has {known}" if known else "it has no pull_secrets"
        raise Refused(f"{path} has no credential of {registry}: {told}", hint=f"add it to pull_secrets; {POLICY}")
    return tuple(_declared(one) for one in found)


def _declared(one: PullSecret) -> Declared:
    where = f"pull_secrets {one.name}"
    previous = _password(one.previous_password, f"{where}.previous_password") if one.previous_password else ""
    return Declared(one, _password(one.password, f"{where}.password"), previous)


def _password(reference: str, field_name: str) -> str:
    """Returns a password. A file ends with a line end, which is no part of it."""
    text = resolve_secret(reference, field_name).removesuffix("\n").removesuffix("\r")
    if any(ord(one) < ord(" ") for one in text):
        raise Refused(
            f"{field_name}: {reference} has a line break or another control character in it",
            hint="write the password alone there, in one line",
        )
    remember_secret(text)
    return text


def observe_all(handle: Cluster, registry: str, *, ask: bool = True) -> CredentialFacts:
    """Reads the Secrets, and asks the registry from each node: with the new credential, with none, and with old ones."""
    declared, kube = read_declared(handle.profile.name, registry), handle.kube
    fingerprints = Fingerprints(read_salt(kube), registry)
    read = read_pulls(kube, fingerprints)
    wanted = [wanted_of(one, read.facts, fingerprints) for one in declared]
    seats, unasked = find_seats(handle)
    asked: list[Asked] = []
    for one, want in zip(declared, wanted, strict=True) if ask else ():
        credential = Credential("of the policy", one.entry.username, one.password)
        answers = ask_nodes(handle, seats, want, [credential])
        asked += [*answers, *ask_old(handle, seats, answers, _old(one, want, read, fingerprints), read)]
    return CredentialFacts(
        observed_at=datetime.now(UTC),
        registry=registry,
        wanted=tuple(wanted),
        found=read.facts,
        asked=tuple(asked),
        unasked=tuple(unasked) if seats or unasked else ("the cluster has no node",),
    )


def wanted_of(declared: Declared, found: PullFacts, fingerprints: Fingerprints) -> Wanted:
    """Returns what the policy wants for one credential, in the namespaces that exist now."""
    one = declared.entry
    matches = {text: [name for name in found.namespaces if fnmatchcase(name, text)] for text in one.namespaces}
    return Wanted(
        entry=one.name,
        registry=one.registry,
        fingerprint=fingerprints.of(one.username, declared.password),
        namespaces=tuple(sorted({name for names in matches.values() for name in names})),
        absent=tuple(text for text, names in matches.items() if not names),
        accounts=one.service_accounts,
        images=one.images,
    )


def find_seats(handle: Cluster) -> tuple[list[Seat], list[str]]:
    """Returns the nodes that can be asked, and why others cannot."""
    nodes = [outside.Node.read(one, name_of("node", one)) for one in handle.kube.items("/api/v1/nodes")]
    known = {one.name for one in handle.profile.nodes} if handle.profile.ssh else set()
    seats = [seat_of(one) for one in nodes if one.metadata.name in known]
    missing = [one.metadata.name for one in nodes if one.metadata.name not in known]
    why = "not in nodes of the profile" if handle.profile.ssh else "the profile has no ssh"
    return seats, [f"{listed(missing)}: {why}"] if missing else []


def ask_nodes(handle: Cluster, seats: Sequence[Seat], wanted: Wanted, credentials: Sequence[Credential]) -> list[Asked]:
    """Asks for each image from each node, with the credential and without it."""
    found = on_all(lambda seat: _ask_seat(handle, seat, wanted, credentials), seats)
    return [one for answers in found for one in answers]


def _ask_seat(handle: Cluster, seat: Seat, wanted: Wanted, credentials: Sequence[Credential]) -> list[Asked]:
    references = {image: Reference.of(image) for image in wanted.images}
    try:
        facts, mirrors = look_from(handle, seat, sorted({one.registry for one in references.values()}))
    except RunbookError as error:
        return [_asked(wanted, image, seat, NEW, said=error.problem) for image in wanted.images]
    uncertain = (*facts.uncertain, *mirrors.problems)
    answers = []
    for image, reference in references.items():
        places = mirrors.places[reference.registry]
        for who, given in ((NOBODY, ()), (NEW, credentials)):
            told = ask_from(handle, seat, reference, places, given)
            more = {"verdict": told.verdict, "said": told.said, "uncertain": uncertain if who == NEW else ()}
            answers.append(_asked(wanted, image, seat, who).model_copy(update=more))
    return answers


def _asked(wanted: Wanted, image: str, seat: Seat, who: str, said: str = "") -> Asked:
    return Asked(entry=wanted.entry, image=image, node=seat.name, who=who, said=said)


def _old(declared: Declared, wanted: Wanted, read: Read, fingerprints: Fingerprints) -> dict[str, tuple[str, ...]]:
    """Returns the fingerprints of all other credentials of this registry, and the Secrets that have each."""
    places: dict[str, list[str]] = {}
    if declared.previous:
        places.setdefault(fingerprints.of(declared.entry.username, declared.previous), [])
    for secret in read.facts.secrets:
        for one in secret.entries:
            if one.fingerprint and is_of(one.place, wanted.registry):
                places.setdefault(one.fingerprint, []).append(secret.id)
    return {one: tuple(ids) for one, ids in places.items() if one != wanted.fingerprint}


def ask_old(
    handle: Cluster, seats: Sequence[Seat], answers: Sequence[Asked], old: dict[str, tuple[str, ...]], read: Read
) -> list[Asked]:
    """Asks from one node what the registry says to old credentials, about an image that it does not give to everybody."""
    open_images = {one.image for one in answers if one.who == NOBODY and one.is_proven}
    good = [one for one in answers if one.who == NEW and one.is_proven and one.image not in open_images]
    if not good:
        return []
    first = good[0]
    seat = next(one for one in seats if one.name == first.node)
    reference = Reference.of(first.image)
    _, mirrors = look_from(handle, seat, [reference.registry])
    places = mirrors.places[reference.registry]
    found = []
    for fingerprint, secrets in list(old.items())[:MOST_OLD]:
        told = ask_from(handle, seat, reference, places, [read.credentials[fingerprint]])
        more = {"who": OLD, "fingerprint": fingerprint, "secrets": secrets, "uncertain": ()}
        found.append(first.model_copy(update=more | {"verdict": told.verdict, "said": told.said}))
    return found


def prove_stored(handle: Cluster, wanted: Wanted, found: PullFacts) -> Proven:
    """Asks from each node with the Secrets as the API has them. `Refused` if one has another content."""
    seats, unasked = find_seats(handle)
    for namespace in wanted.namespaces:
        stored = find(found, namespace, wanted.secret)
        if stored is None or not has_credential(stored, wanted):
            problem = f"{namespace}/{wanted.secret} is not there, or has another content"
            raise Refused(
                problem, hint=f"see its annotations: `kubectl -n {namespace} describe secret {wanted.secret}`"
            )
    if not wanted.namespaces:
        return Proven(unasked=tuple(unasked))
    reference = Reference.of(wanted.images[0])
    credentials, _ = read_credentials(handle.kube, wanted.namespaces[0], [wanted.secret], reference)
    return Proven(asked=tuple(ask_nodes(handle, seats, wanted, credentials)), unasked=tuple(unasked))
