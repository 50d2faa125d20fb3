"""Pull Secrets, who names them, and what a registry answers."""

from datetime import UTC, datetime
from typing import Any

from tasks.registries.models.secrets import Account, Entry, FoundSecret, Namer, PullFacts
from tasks.registries.models.verdict import Verdict
from tasks.registry_credentials.models import NEW, NOBODY, OLD, Asked, CredentialFacts, Wanted

REGISTRY = "registry.example:5000"
IMAGE = f"{REGISTRY}/shop/web:2"
NOW, BEFORE = "0123456789", "abcdef0123"
NEW_NAME, OLD_NAME = f"shop-pull-{NOW}", f"shop-pull-{BEFORE}"


def secret(name: str, fingerprint: str = NOW, *, namespace: str = "shop", **more: Any) -> FoundSecret:  # noqa: ANN401
    """One of one registry; ours by its name."""
    fields: dict[str, Any] = {
        "ours": "shop-pull" if name.startswith("shop-pull-") else "",
        "entries": (Entry(place=REGISTRY, fingerprint=fingerprint),),
    }
    return FoundSecret(namespace=namespace, name=name, uid=name, **fields | more)


def account(*secrets: str, namespace: str = "shop", name: str = "default") -> Account:
    """One that gives these Secrets."""
    return Account(namespace=namespace, name=name, secrets=secrets)


def namer(kind: str, name: str, *secrets: str) -> Namer:
    """Something in shop that pulls with these Secrets."""
    return Namer(kind=kind, namespace="shop", name=name, pulls=secrets, uses=secrets, images=(IMAGE,))


def answer(who: str = NEW, verdict: Verdict = Verdict.THERE, node: str = "w1", **more: Any) -> Asked:  # noqa: ANN401
    """Of the registry."""
    said = {Verdict.THERE: "200", Verdict.REFUSED: "401 UNAUTHORIZED"}.get(verdict, "no answer: it hangs")
    return Asked(entry="shop-pull", image=IMAGE, node=node, who=who, verdict=verdict, said=said, **more)


def old(verdict: Verdict = Verdict.THERE) -> Asked:
    """About the previous credential."""
    return answer(OLD, verdict, fingerprint=BEFORE, secrets=(f"shop/{OLD_NAME}",))


def found(*secrets: FoundSecret, **more: Any) -> PullFacts:  # noqa: ANN401
    """A cluster with one namespace and its ServiceAccount."""
    return PullFacts(**{"namespaces": ("shop",), "secrets": secrets, "accounts": (account(),)} | more)


def facts(found: PullFacts, *asked: Asked, unasked: tuple[str, ...] = (), **more: Any) -> CredentialFacts:  # noqa: ANN401
    """What a run knows; by default the registry gives the image to the new credential alone."""
    wanted: dict[str, Any] = {
        "entry": "shop-pull",
        "registry": REGISTRY,
        "fingerprint": NOW,
        "namespaces": ("shop",),
        "accounts": ("default",),
        "images": (IMAGE,),
    }
    return CredentialFacts(
        observed_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
        registry=REGISTRY,
        wanted=(Wanted(**wanted | more),),
        found=found,
        asked=asked or (answer(NOBODY, Verdict.REFUSED), answer()),
        unasked=unasked,
    )
