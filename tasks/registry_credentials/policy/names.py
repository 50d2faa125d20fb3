"""Decides which Secrets are ours, and what the list of a ServiceAccount becomes."""

import re
from collections.abc import Iterator, Sequence

from tasks.registries.models.secrets import FoundSecret, PullFacts
from tasks.registry_credentials.models import Wanted


def is_ours(name: str, wanted: Wanted) -> bool:
    """Checks whether a name is one that we give: it may be of a Secret that no longer exists."""
    return re.fullmatch(rf"{re.escape(wanted.entry)}-[0-9a-f]{{10}}", name) is not None


def switched(names: Sequence[str], wanted: Wanted) -> tuple[str, ...]:
    """Returns the list with the new Secret in the place of our old ones. Other entries stay, in their order."""
    old = [name for name in names if is_ours(name, wanted)]
    if not old:
        return (*names, wanted.secret)
    new = [wanted.secret if name == old[0] else name for name in names if name == old[0] or name not in old]
    return tuple(new)


def old_secrets(found: PullFacts, wanted: Wanted) -> Iterator[FoundSecret]:
    """Yields the Secrets of ours that the policy no longer wants: of an older credential, or of another namespace."""
    for one in found.secrets:
        is_new = one.name == wanted.secret and one.namespace in wanted.namespaces
        if one.ours == wanted.entry and not is_new:
            yield one


def find(found: PullFacts, namespace: str, name: str) -> FoundSecret | None:
    """Returns a Secret; None if there is none of a registry under this name."""
    return next((one for one in found.secrets if (one.namespace, one.name) == (namespace, name)), None)


def has_credential(secret: FoundSecret, wanted: Wanted) -> bool:
    """Checks whether a Secret is ours and has exactly the wanted credential."""
    return (
        secret.ours == wanted.entry
        and [one.fingerprint for one in secret.entries] == [wanted.fingerprint]
        and not secret.entries[0].problem
    )
