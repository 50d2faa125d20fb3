"""Waits until the volumes of evicted pods are detached, within a timeout of their own."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.core.logs import log_about
from tasks.core.words import duration_in_words
from tasks.drain.models import Waiting
from tasks.nodes.models.pods import Attachment, Pod, Volume
from tasks.nodes.probes.pods import parse_attachment

ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"


class Detaching:
    """Tracks the volumes of one node. Those still attached at their timeout are only reported."""

    def __init__(self, kube: KubeClient, node: str, volumes: Iterable[Volume], limit: timedelta) -> None:
        self._kube, self._node, self._limit = kube, node, limit
        self._by_claim = {volume.claim: volume for volume in volumes}
        self._attached: dict[str, Waiting] = {}
        self._end = 0.0
        self.still_attached: tuple[str, ...] = ()

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Lists what is attached, each with the time when it was first seen."""
        return tuple(self._attached.values())

    def is_over(self, evicted: Sequence[Pod], staying: Sequence[Pod], drain_ends: float) -> bool:
        """Checks whether the wait for the volumes of the evicted pods is over.

        Volumes that a staying pod also uses do not count. `drain_ends` is a time of the monotonic clock. Other attached
        volumes do not belong to an evicted pod. Examples are a volume of a DaemonSet's pod, or an attachment that its
        driver has forgotten.
        """
        kept = {volume.name for volume in self._volumes_of(staying)}
        awaited = {one.name: one for one in self._volumes_of(evicted) if one.name not in kept}
        here = self._attachments_of(awaited.keys())
        self._attached = {one.name: self._attached.get(one.name, _attached(one)) for one in here}
        now = time.monotonic()
        self._end = self._end or min(now + self._limit.total_seconds(), drain_ends)
        if not here or now < self._end:
            return not here
        self.still_attached = tuple(_not_detached(one, awaited[one.volume]) for one in here)
        for said in self.still_attached:
            log_about(self._node).warning(
                "%s: not waited for any longer, after %s", said, duration_in_words(self._limit)
            )
        return True

    def _attachments_of(self, volumes: Iterable[str]) -> list[Attachment]:
        names = set(volumes)
        found = [parse_attachment(raw) for raw in self._kube.items(ATTACHMENTS)] if names else []
        return [one for one in found if one.node == self._node and one.volume in names]

    def _volumes_of(self, pods: Iterable[Pod]) -> list[Volume]:
        claims = (f"{pod.namespace}/{claim}" for pod in pods for claim in (*pod.claims, *pod.own_claims))
        return [self._by_claim[claim] for claim in claims if claim in self._by_claim]


def _attached(one: Attachment) -> Waiting:
    return Waiting(
        what=f"volume {one.volume or one.name}",
        why=f"it is still attached, by {one.attacher}",
        since=datetime.now(UTC),
    )


def _not_detached(one: Attachment, volume: Volume) -> str:
    return (
        f"volume {volume.name} (claim {volume.claim}) is still attached to {one.node} by {one.attacher} "
        f"(VolumeAttachment {one.name})"
    )
