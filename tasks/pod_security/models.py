"""Holds levels of the Pod Security Standards, and what workloads do against them."""

from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model


class Level(StrEnum):
    """Is a level of the Pod Security Standards. A pod that fits a level fits every level before it, too."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """Returns its place among the levels: a stricter level has a higher one."""
        return tuple(Level).index(self)


class Violation(Model):
    """Is one setting of a pod that a level forbids, or one that is missing."""

    check: str = Field(description="name of the check, in the words of the API server's refusal")
    level: Level = Field(description="the first level that forbids it")
    path: str = Field(description="the field, below the pod or the template")
    seen: str = Field(description="the value of the field; not set, if there is none")
    need: str = Field(description="what the level wants")
    fix: str = Field(
        default="", description="value to write into the field, as JSON; empty: nobody can know it from here"
    )

    @property
    def sentence(self) -> str:
        """Returns the field, its value, and what it needs."""
        return f"{self.path} is {self.seen}: {self.need}"


class Workload(Model):
    """Is a workload or a pod without one, and what its pods do against the levels."""

    kind: str
    namespace: str
    name: str
    path: str = Field(description="its path in the API")
    template: tuple[str, ...] = Field(description="where its pod template is; empty for a pod")
    can_change: bool = Field(default=True, description="its template can be changed in place")
    owner: str = Field(default="", description="who owns it, if that is a program")
    owner_way: str = Field(default="", description="how this owner wants it to be changed")
    images: tuple[str, ...] = Field(default=(), description="images of its containers, each once")
    violations: tuple[Violation, ...] = ()
    fix: str = Field(default="", description="strategic merge patch, as JSON, that the API server took in a dry run")
    fix_refused: str = Field(default="", description="why the API server does not take the patch")

    @property
    def label(self) -> str:
        """Returns `shop/deployment/web`."""
        return f"{self.namespace}/{self.kind.lower()}/{self.name}"

    def against(self, level: Level) -> tuple[Violation, ...]:
        """Returns what a level forbids."""
        return tuple(one for one in self.violations if one.level.rank <= level.rank)

    @property
    def fits(self) -> Level:
        """Returns the strictest level that its pods fit."""
        return max((level for level in Level if not self.against(level)), key=lambda one: one.rank)


class Namespace(Model):
    """Is a namespace, and the level that it enforces."""

    name: str
    enforces: Level = Level.PRIVILEGED
    version: str = Field(default="", description="version of the rules that it enforces; empty for latest")
    could_enforce: Level = Field(default=Level.PRIVILEGED, description="the strictest level that all its workloads fit")
    label_refused: str = Field(default="", description="why the API server does not take that label in a dry run")
    warnings: tuple[str, ...] = Field(
        default=(), description="what the API server warns of in a dry run of that label: pods that it would refuse"
    )


class PodSecurity(Model):
    """Is the state of all workloads and namespaces."""

    workloads: tuple[Workload, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    untried: int = Field(default=0, description="workloads whose patch was not tried, because there are too many")
