"""Judges a backup of resources before it begins: what a person should know. It has no step, because it changes no object."""

from tasks.core.models.findings import cautioned, refused
from tasks.core.models.plan import Plan
from tasks.resources.models import ResourceFacts


def plan_backup(facts: ResourceFacts) -> Plan:
    """Returns the cautions; it refuses if the profile leaves no kind."""
    if not facts.kinds:
        return Plan(
            refusals=(
                refused(
                    "resources",
                    "the rules of the profile leave no kind",
                    "correct resources.include and resources.exclude",
                ),
            )
        )
    names = tuple(one.label for one in facts.kinds)
    cautions = [
        cautioned(one.subject, f"{one.reason}, so the backup will be partial", "kubectl get apiservices")
        for one in facts.silent
    ]
    if not facts.recipients and "secrets" in names:
        cautions.append(
            cautioned(
                "secrets",
                "the profile has no backup.recipients, so the values of Secrets are left out",
                "add an age recipient to backup.recipients",
            )
        )
    return Plan(cautions=tuple(cautions))
