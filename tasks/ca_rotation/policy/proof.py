"""The proof of a stage: planned again, it has nothing left to do on any node."""

from datetime import datetime

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, Stage
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.core.errors import NotYet
from tasks.core.models.profile import CertificateRules


def proven_nodes(
    facts: CaRotationFacts, stage: Stage, options: CaRotationOptions, rules: CertificateRules, *, now: datetime
) -> tuple[str, ...]:
    """Each node with the state that it is in; `NotYet` with what is left on others."""
    again = plan_ca_rotation(facts, stage, options, rules, now=now)
    if again.nodes:
        told = "; ".join(f"{one.subject}: {one.reason}" for one in again.steps[: len(again.nodes)])
        raise NotYet(f"the stage has not come to its end: {told}", hint="run it again: it goes on where it was")
    return tuple(f"{skip.subject}: {skip.reason}" for skip in again.skips)
