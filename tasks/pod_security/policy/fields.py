"""Walks through a pod: each container, each of its fields, and where they are."""

from collections.abc import Iterator
from typing import NamedTuple

from tasks.core.models import outside
from tasks.pod_security.models import Level, Violation

NOT_SET = "not set"

LISTS = ("initContainers", "containers", "ephemeralContainers")


class Place(NamedTuple):
    """Is a security context of a pod: the pod's own one, or that of a container."""

    path: str
    context: outside.SecurityContext
    container: outside.SecuredContainer | None = None

    def field(self, name: str) -> str:
        """Returns the path of a field of this security context."""
        return f"{self.path}.securityContext.{name}"


class Judged(NamedTuple):
    """Is a pod, and the minor version of the API server whose rules hold."""

    pod: outside.SecuredPod
    minor: int

    @property
    def spec(self) -> outside.SecuredPodSpec:
        """Returns the spec of the pod."""
        return self.pod.spec

    @property
    def own(self) -> Place:
        """Returns the pod's own security context."""
        return Place("spec", self.spec.security_context)

    @property
    def containers(self) -> Iterator[Place]:
        """Yields the security context of each container, with its name in the path."""
        spec = self.spec
        for kind, found in zip(LISTS, (spec.init_containers, spec.containers, spec.ephemeral_containers), strict=True):
            for one in found:
                yield Place(f"spec.{kind}[{one.name}]", one.security_context, one)

    @property
    def places(self) -> Iterator[Place]:
        """Yields all security contexts."""
        yield self.own
        yield from self.containers

    @property
    def is_windows(self) -> bool:
        """Checks whether the pod names Windows: what only Linux has does not count then."""
        return self.spec.os.name == "windows"

    @property
    def has_own_users(self) -> bool:
        """Checks whether root in the pod is another user on the node; rules of 1.35 and later say so."""
        return not self.spec.host_users and self.minor >= OWN_USERS


OWN_USERS = 35
"""Is the first minor version that eases rules for pods with a user namespace of their own."""


def violation(check: str, path: str, seen: object, need: str, fix: str = "") -> Violation:
    """Returns a violation of baseline; `seen` is None for a field that is not set."""
    return Violation(check=check, level=Level.BASELINE, path=path, seen=shown(seen), need=need, fix=fix)


def shown(value: object) -> str:
    """Returns a value as YAML has it."""
    if value is None or value == "":
        return NOT_SET
    return str(value).lower() if isinstance(value, bool) else str(value)
