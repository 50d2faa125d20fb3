"""Plans how archives become claims beside the old ones."""

from collections.abc import Iterator

from tasks.core.models.findings import cautioned, refused
from tasks.core.models.plan import Caution, Refusal, Skip, Step
from tasks.volumes.policy.beside import path_beside
from tasks.volumes_restore.models.facts import ArchiveFound, VolumeRestoreFacts
from tasks.volumes_restore.models.options import VolumeRestoreOptions


def skip_of_archive(one: ArchiveFound, options: VolumeRestoreOptions) -> Skip | None:
    """Returns why an archive needs no restore; None if it needs one."""
    if not options.switch and one.is_bound and one.made_of == one.archive.data_key:
        return Skip(subject=one.archive.id, reason=f"the claim {one.name} has its data already")
    return None


def findings_of_archive(one: ArchiveFound, options: VolumeRestoreOptions) -> Iterator[Refusal | Caution]:
    """Yields what forbids to restore an archive, and what a person has to know."""
    archive, subject = one.archive, one.archive.id
    if options.switch:
        text = "its data is an archive, which becomes a new claim beside the old one, and is not switched"
        yield refused(subject, text, "leave out --switch")
    if not one.has_namespace:
        yield refused(
            subject, f"there is no namespace {archive.namespace}", f"kubectl create namespace {archive.namespace}"
        )
    if one.exists and one.made_of != archive.data_key:
        yield refused(
            subject, f"there is another claim {one.name}, which this restore did not make", "choose another --suffix"
        )
    if one.problem:
        yield refused(subject, one.problem.text, one.problem.next_step)
    if archive.fuzzy:
        yield cautioned(subject, f"its archive is fuzzy ({archive.fuzzy}): its files may not fit together")


def step_of_archive(facts: VolumeRestoreFacts, one: ArchiveFound) -> Step:
    """Returns the step of the plan."""
    archive = one.archive
    return Step(
        subject=archive.id,
        act=f"let {archive.node} restore its archive into {path_beside(archive, one.suffix)}, with the new claim {one.name}",
        reason=f"backup {facts.backup} has it, copied at {archive.taken_at:%Y-%m-%dT%H:%M:%SZ}",
    )
