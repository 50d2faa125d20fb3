"""Models what an audit found: findings, and the cells of the policy's matrix."""

from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import Field

from tasks.access.models.rights import Identity, Question
from tasks.core.models.base import Model, UtcTime
from tasks.network_policy.models import Canary, Enforcement


class Severity(StrEnum):
    """This is how much harm a finding allows. A finding of severity high refuses the run."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Finding(Model):
    """This is a right, a credential or a difference that the site has to remove or to accept."""

    id: str = Field(description="stays the same in every audit")
    check: str = Field(description="the first part of the id, for example read-secrets")
    severity: Severity
    subject: str
    problem: str
    evidence: str = ""
    fix: str
    accepted: str = Field(
        default="", description="the reason of the policy and its last day; empty if it is not accepted"
    )
    is_new: bool = Field(default=False, description="the previous audit did not have it")


class Cell(Model):
    """This is one cell of the matrix: what a subject can or cannot do by the policy."""

    subject: str
    wanted: Literal["allow", "deny"]
    right: str = Field(description="verb and resource, as people write them")
    namespace: str = Field(default="", description="empty for all namespaces, and for objects without one")
    problem: str = Field(default="", description="why the cell cannot be checked")

    @property
    def label(self) -> str:
        """Returns `User:ada get secrets in shop`."""
        return f"{self.subject} {self.right}{f' in {self.namespace}' if self.namespace else ''}"


class Asked(Model):
    """This is a cell, and the request that the API server judges for it. A cell with a problem has no request."""

    cell: Cell
    identity: Identity
    question: Question | None = None


class Judged(Cell):
    """This is a cell with the answer of the API server."""

    allowed: bool | None = Field(default=None, description="none if it was not checked")
    reason: str = Field(default="", description="the reason of the API server")

    @property
    def holds(self) -> bool:
        """Checks whether the API server answers what the policy wants. A cell that was not checked does not hold."""
        return self.allowed is (self.wanted == "allow")


class Sample(Model):
    """This is a request, what the rules answer, and what the API server answers."""

    subject: str
    question: Question
    by_rules: bool
    by_server: bool
    reason: str = ""


class Audit(Model):
    """This is everything that an audit found."""

    observed_at: UtcTime
    bindings: int
    subjects: int
    findings: tuple[Finding, ...]
    gone: tuple[str, ...] = Field(default=(), description="ids of findings that only the previous audit had")
    compared_with: str = Field(default="", description="run of the previous audit; empty if there is none")
    sampled: int = Field(default=0, description="answers that the API server checked")
    has_policy: bool = False
    unused: tuple[str, ...] = Field(default=(), description="accepted findings of the policy that no longer exist")
    cells: tuple[Judged, ...] = ()
    not_checked: tuple[str, ...] = Field(default=(), description="what was not checked, and why")
    apis: dict[str, str] = Field(default={}, description="resources of the API, with their versions, kinds and verbs")
    enforcement: Enforcement = Field(default=Enforcement(), description="whether the network enforces NetworkPolicies")
    canary: Canary | None = Field(default=None, description="what a canary showed about that; none without the option")

    @property
    def open(self) -> tuple[Finding, ...]:
        """Returns the findings that the policy does not accept."""
        return tuple(one for one in self.findings if not one.accepted)

    @property
    def failing(self) -> tuple[Judged, ...]:
        """Returns the cells that do not hold."""
        return tuple(one for one in self.cells if not one.holds)


class Previous(NamedTuple):
    """Holds the run of an earlier audit, and the ids of its findings."""

    run_id: str
    ids: frozenset[str]
