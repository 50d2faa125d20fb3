"""Looks whether the old volumes are detached from their nodes."""

from collections.abc import Mapping
from datetime import timedelta

from tasks.clients.kube import KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.core.models.findings import listed
from tasks.drain.volumes import ATTACHMENTS
from tasks.nodes.models.pods import Attachment
from tasks.nodes.probes.pods import parse_attachment

DETACHED_WITHIN = timedelta(minutes=1)
"""Limits the wait until old volumes are detached. Their pods are gone; an attachment that stays does no harm to the new volumes."""


def left_attached(kube: KubeClient, olds: Mapping[str, str], limit: timedelta = DETACHED_WITHIN) -> tuple[str, ...]:
    """Returns the old volumes that are still attached at the limit, or why that is not known. `olds` maps each to its claim."""
    here: list[str] = []

    def look() -> None:
        found = [parse_attachment(raw) for raw in kube.items(ATTACHMENTS)]
        here[:] = [_in_words(one, olds[one.volume]) for one in found if one.volume in olds]
        if here:
            raise NotYet("; ".join(here), hint="the controllers detach a volume after its pods are gone")

    try:
        if olds:
            wait_for(look, limit, what="the old volumes to be detached", about=listed(tuple(olds.values())))
    except RunbookError as error:
        return tuple(here) or (f"whether the old volumes are detached is not known: {error.problem}",)
    return ()


def _in_words(one: Attachment, claim: str) -> str:
    why = f": {one.problem}" if one.problem else ""
    return f"{claim}: the old volume {one.volume} is still attached to {one.node} by {one.attacher} (VolumeAttachment {one.name}){why}"
