"""Finds images that may be another one tomorrow, and images from registries that the policy does not name."""

from collections.abc import Iterable, Iterator

from tasks.access.models.audit import Finding, Severity
from tasks.access.policy.audit import FILE
from tasks.core.models.findings import listed
from tasks.core.models.images import Reference
from tasks.pod_security.models import Workload

LATEST = "latest"


def find_images(workloads: Iterable[Workload], registries: tuple[str, ...]) -> Iterator[Finding]:
    """Yields a finding for each workload with such images. Without registries in the policy, all are good."""
    for one in workloads:
        if loose := [image for image in one.images if _is_loose(image)]:
            yield _finding(
                one,
                "images-latest",
                Severity.LOW,
                "its image has no version: the next pod may run another program",
                loose,
                "name a version, or a digest (IMAGE@sha256:...), with `kubectl set image`",
            )
        if registries and (others := [image for image in one.images if not _is_from(image, registries)]):
            yield _finding(
                one,
                "images-registry",
                Severity.MEDIUM,
                f"its image is from a registry that the policy does not name ({listed(registries)})",
                others,
                f"pull it from such a registry, or add its registry to registries of {FILE}",
            )


def _is_loose(image: str) -> bool:
    named = Reference.of(image)
    return not named.digest and named.tag == LATEST


def _is_from(image: str, registries: tuple[str, ...]) -> bool:
    """Checks the registry. An entry with a path, such as `ghcr.io/acme`, is for the images below it."""
    name = f"{Reference.of(image).name}/"
    return any(name.startswith(f"{one.rstrip('/')}/") for one in registries)


def _finding(  # noqa: PLR0913, PLR0917 - a row of a table
    one: Workload, check: str, severity: Severity, problem: str, images: list[str], fix: str
) -> Finding:
    return Finding(
        id=f"{check}:{one.label}",
        check=check,
        severity=severity,
        subject=one.label,
        problem=problem,
        evidence=listed(images),
        fix=fix,
    )
