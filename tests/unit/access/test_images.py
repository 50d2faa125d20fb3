"""Images that may be another one tomorrow, and images from registries that the policy does not name."""

import pytest

from tasks.access.models.audit import Severity
from tasks.access.policy.images import find_images
from tasks.pod_security.models import Workload


def workload(*images: str) -> Workload:
    """In the namespace shop."""
    return Workload(kind="Deployment", namespace="shop", name="web", path="/p", template=(), images=images)


def test_an_image_without_a_version_is_a_finding() -> None:
    """Each such image is named; a digest is a version, whatever the tag."""
    given = workload("web", "web:1", "registry.example:5000/web", "web:latest@sha256:ab", "web:latest")
    (found,) = find_images([given], ())
    assert (found.id, found.severity) == ("images-latest:shop/deployment/web", Severity.LOW)
    assert found.evidence == "web, registry.example:5000/web, web:latest"


@pytest.mark.parametrize(
    ("image", "is_named"),
    [
        ("ghcr.io/acme/web:1", True),
        ("ghcr.io/acme-evil/web:1", False),
        ("ghcr.io/other/web:1", False),
        ("registry.example:5000/web:1", True),
        ("registry.example/web:1", False),
        ("busybox:1", False),
    ],
)
def test_an_image_from_another_registry_is_a_finding(image: str, *, is_named: bool) -> None:
    """A registry, or a folder of one; a name that only begins alike is another."""
    found = list(find_images([workload(image)], ("ghcr.io/acme/", "registry.example:5000")))
    assert bool(found) is not is_named
    assert [one.evidence for one in found] == [] if is_named else [image]


def test_without_registries_in_the_policy_all_are_good() -> None:
    """Nobody said which are not."""
    assert not list(find_images([workload("busybox:1")], ()))
    (found,) = find_images([workload("busybox:1")], ("ghcr.io",))
    assert found.severity is Severity.MEDIUM
    assert found.problem == "its image is from a registry that the policy does not name (ghcr.io)"
    assert not list(find_images([workload("busybox:1")], ("docker.io",)))
