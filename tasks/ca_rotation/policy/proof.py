"""Proves a stage: a new plan has no work left on any node."""

from datetime import datetime

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, Stage
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.core.errors import NotYet
from tasks.core.models.profile import CertificateRules


def proven_nodes(
    facts: CaRotationFacts, stage: Stage, options: CaRotationOptions, rules: CertificateRules, *, now: datetime
) -> tuple[str, ...]:
    """Returns each node with its state.

    Raises:
        NotYet: if work is left on a node, with that work.
    """
    again = plan_ca_rotation(facts, stage, options, rules, now=now)
    if again.nodes:
        told = "; ".join(f"{one.subject}: {one.reason}" for one in again.steps[: len(again.nodes)])
        raise NotYet(f"the stage is not finished: {told}", hint="run it again: it resumes")
    return tuple(f"{skip.subject}: {skip.reason}" for skip in again.skips)
