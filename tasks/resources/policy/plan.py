"""Plans a backup of resources: which kinds are read, which are not, and what a person should know."""

from tasks.core.models.findings import cautioned, listed, refused
from tasks.core.models.plan import Plan, Skip, Step
from tasks.core.words import counted
from tasks.resources.models import ResourceFacts


def plan_backup(facts: ResourceFacts) -> Plan:
    """Returns the plan; it refuses if the profile leaves no kind."""
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
    return Plan(
        steps=(
            Step(
                subject="resources",
                act=f"read {counted(len(names), 'kind')} and store their objects",
                reason=f"the API serves them: {listed(names)}",
            ),
        ),
        skips=tuple(Skip(subject=one.what, reason=one.reason) for one in facts.left_out),
        cautions=tuple(cautions),
    )
