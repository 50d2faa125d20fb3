"""Decides what the answers about images mean for a rollout."""

from collections.abc import Iterable, Iterator

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure
from tasks.registries.models.verdict import Verdict
from tasks.workloads.models.images import ImageAnswer

LEAVE_OUT = "or add --no-check-images"
CORRECT = f"correct the image or imagePullSecrets; {LEAVE_OUT}"


def findings_of_images(answers: Iterable[ImageAnswer]) -> Iterator[Finding]:
    """Yields a refusal for each image that a node cannot have, and a caution for each that could not be asked for.

    An answer is a refusal only if the kubelet would get the same one.
    """
    by_image: dict[str, list[ImageAnswer]] = {}
    for one in answers:
        by_image.setdefault(one.image, []).append(one)
    for image, told in by_image.items():
        if told[0].never and told[0].node:
            yield from _of_never(image, told)
        else:
            yield from (finding for one in told if (finding := _of_pull(image, one)))


def _of_never(image: str, told: list[ImageAnswer]) -> Iterator[Finding]:
    """Judges an image that is not pulled: the nodes must have it already."""
    subject = told[0].workload
    absent = [one.node for one in told if one.present is False]
    silent = [one.node for one in told if one.present is None]
    problem = f"image {image} has imagePullPolicy Never, and is not on {listed(absent)}"
    if len(absent) == len(told):
        yield refused(subject, problem, f"load it there, or change imagePullPolicy; {LEAVE_OUT}")
    elif absent:
        yield cautioned(subject, problem, "load it there, or change imagePullPolicy")
    if silent:
        yield cautioned(
            subject,
            f"image {image} has imagePullPolicy Never, and whether {listed(silent)} has it is not known",
            "`crictl images` there lists them",
        )


def _of_pull(image: str, told: ImageAnswer) -> Finding | None:
    """Judges an image that is pulled. An approval of a caution holds for any node from which it was asked."""
    where = f"asked from node {told.node}, " if told.node else ""
    has_it = f"; node {told.node} has it already, other nodes may not" if told.present else ""
    if told.verdict is Verdict.THERE:
        return None
    if told.verdict is Verdict.OTHER_PLATFORM:
        return refused(told.workload, f"image {image} does not run on node {told.node}: {told.said}", CORRECT)
    if told.verdict is Verdict.UNKNOWN:
        problem = f"whether image {image} can be pulled could not be asked: {figure(where + told.said + has_it)}"
        return cautioned(told.workload, problem, "check the way from the node to the registry")
    problem = f"image {image} cannot be pulled: {where}{told.said}"
    if not told.uncertain and not told.present:
        return refused(told.workload, problem, CORRECT)
    means = f"; but the kubelet may have other means: {listed(told.uncertain)}" if told.uncertain else ""
    return cautioned(
        told.workload, f"image {image} cannot be pulled: {figure(where + told.said + has_it)}{means}", CORRECT
    )
