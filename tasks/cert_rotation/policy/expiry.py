"""Says when the certificates that a rotation renews expire."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.certificates.models.inventory import Inventory
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.kubeadm import KUBELET_CLIENT
from tasks.core.words import counted, duration_in_words


def expiry_in_words(inventory: Inventory, renew_before: timedelta, *, now: datetime) -> str:
    """Returns how many certificates expire within `renew_before`, and when the first one does."""
    ends = sorted(_ends(inventory))
    expired = [end for end in ends if end <= now]
    soon = [end for end in ends if now < end <= now + renew_before]
    within = f"within {duration_in_words(renew_before)}"
    told = [f"{counted(len(expired), 'certificate')} expired, the first on {expired[0]:%Y-%m-%d}"] if expired else []
    if soon:
        verb = "expires" if len(soon) == 1 else "expire"
        told.append(f"{counted(len(soon), 'certificate')} {verb} {within}, the first on {soon[0]:%Y-%m-%d}")
    if not told:
        told.append(f"no certificate expires {within}")
        told += [f"the first expires on {ends[0]:%Y-%m-%d}"] if ends else []
    return "; ".join(told)


def _ends(inventory: Inventory) -> Iterator[datetime]:
    for node in inventory.nodes:
        for name in (*LEAVES, KUBELET_CLIENT):
            one = node.named(name)
            if one and one.not_after:
                yield one.not_after
