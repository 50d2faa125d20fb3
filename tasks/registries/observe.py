"""Reads the pull Secrets of a cluster, and who names them. Credentials stay in the memory of the worker."""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from tasks.clients.kube import JSON, KubeClient
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.redaction import remember_secret
from tasks.pod_security.probes.pods import KINDS
from tasks.registries.models.credentials import Credential
from tasks.registries.models.secrets import Entry, FoundSecret, Namer, PullFacts
from tasks.registries.policy.contents import Held, contents_of, fingerprint_of, is_of
from tasks.registries.probes.pulls import parse_account, parse_namer, parse_secret

TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


class Read(NamedTuple):
    """Is what was read: facts, and the credential of each fingerprint."""

    facts: PullFacts
    credentials: dict[str, Credential]


class Fingerprints:
    """Makes fingerprints of credentials, each once. Without a salt it counts them, which is good in this process alone."""

    def __init__(self, salt: str = "", registry: str = "") -> None:
        """Stores for which registry fingerprints are made; all other entries have none. Empty: for all."""
        self._salt = salt
        self._registry = registry
        self._known: dict[tuple[str, str], str] = {}
        self.credentials: dict[str, Credential] = {}

    def of(self, user: str, password: str, secret: str = "") -> str:
        """Returns the fingerprint of a credential; `secret` is where it was found. It is empty if there is none."""
        if not (user and password):
            return ""
        if (user, password) not in self._known:
            remember_secret(password)
            found = fingerprint_of(user, password, self._salt) if self._salt else str(len(self._known) + 1)
            self._known[user, password] = found
            self.credentials[found] = Credential(secret, user, password)
        return self._known[user, password]

    def entry(self, held: Held, secret: str) -> Entry:
        """Returns an entry of a Secret without its credential."""
        counts = not self._registry or is_of(held.place, self._registry)
        found = self.of(held.user, held.password, secret) if counts else ""
        return Entry(place=held.place, fingerprint=found, problem=held.problem)


def read_salt(kube: KubeClient) -> str:
    """Returns a text that is another one in each cluster, and stays: the uid of a namespace that each cluster has."""
    return outside.Identified.read(kube.get("/api/v1/namespaces/kube-system"), "the namespace kube-system").metadata.uid


def read_namers(kube: KubeClient) -> list[Namer | None]:
    """Reads the pods, and the objects that make pods, that name a Secret; None for each that names none."""
    return [
        one
        for name, kind in KINDS.items()
        for one in kube.read_all(f"{kind.group}/{kind.plural}", partial(parse_namer, name))
    ]


def read_pulls(kube: KubeClient, fingerprints: Fingerprints, namers: Iterable[Namer | None] | None = None) -> Read:
    """Reads all Secrets of registries, by their content, and who names each, unless these `namers` were read already."""
    parse = partial(_secret, fingerprints)
    secrets = [one for kind in TYPES for one in kube.read_all("/api/v1/secrets", parse, fieldSelector=f"type={kind}")]
    accounts = kube.read_all("/api/v1/serviceaccounts", parse_account)
    found = read_namers(kube) if namers is None else namers
    ids = {one.id for one in secrets}
    exist = {_id(one) for one in kube.heads("/api/v1/secrets")}
    naming = [one for one in found if one and (one.pulls or any(f"{one.namespace}/{name}" in ids for name in one.uses))]
    named = {f"{one.namespace}/{name}" for one in accounts for name in one.secrets}
    named |= {f"{one.namespace}/{name}" for one in naming for name in one.pulls}
    namespaces = (outside.Named.read(one, name_of("namespace", one)) for one in kube.heads("/api/v1/namespaces"))
    facts = PullFacts(
        namespaces=tuple(one.metadata.name for one in namespaces if one.metadata.deletion_timestamp is None),
        secrets=tuple(sorted(secrets, key=lambda one: one.id)),
        accounts=tuple(accounts),
        namers=tuple(sorted(naming, key=lambda one: one.label)),
        missing=tuple(sorted(named - exist)),
        others=tuple(sorted((named & exist) - ids)),
    )
    return Read(facts, fingerprints.credentials)


def _id(raw: JSON) -> str:
    return outside.Placed.read(raw, name_of("secret", raw)).id


def _secret(fingerprints: Fingerprints, raw: JSON) -> FoundSecret:
    contents = contents_of(raw)
    name = name_of("", raw).strip()
    return parse_secret(raw, tuple(fingerprints.entry(one, name) for one in contents.held), contents.problem)
