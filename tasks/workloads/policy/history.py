"""Puts the revisions of a workload in order: who made each, why, and what it changed."""

from collections.abc import Mapping, Sequence

from tasks.workloads.models.history import Found, Revision, Written
from tasks.workloads.policy.templates import differences, images_of

CAUSE = "kubernetes.io/change-cause"
PERSON, RUN = "kube-runbooks.io/person", "kube-runbooks.io/run"


def history_of(
    found: Sequence[Found], current: str, writers: Sequence[Written], pods: Mapping[str, int]
) -> tuple[Revision, ...]:
    """Returns the revisions, the newest first; `pods` counts the pods by the hash of their template."""
    ordered = sorted(found, key=lambda one: one.number)
    made = []
    for number, one in enumerate(ordered):
        before = ordered[number - 1] if number else None
        made.append(
            Revision(
                number=one.number,
                name=one.name,
                created=one.created,
                runs=one.name == current,
                pods=pods.get(one.label, 0),
                images=images_of(one.template),
                cause=one.annotations.get(CAUSE, ""),
                who=_who(one, current, writers),
                changes=differences(before.template, one.template) if before else (),
            )
        )
    return tuple(reversed(made))


def _who(one: Found, current: str, writers: Sequence[Written]) -> str:
    """Returns who wrote a revision; empty if that is not known.

    An annotation of ours names the person or the run. Otherwise the newest template is of the program that wrote the
    template last. The API does not say who wrote an older one.
    """
    if named := one.annotations.get(PERSON) or one.annotations.get(RUN):
        return named
    return writers[-1].manager if writers and one.name == current else ""
