"""Defines pods, what protects them, and what decides where they may run.

It contains only what a drain has to know.
"""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.workloads import Webhook


class Operator(StrEnum):
    """Defines the operator of a requirement in a selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"
    OTHER = ""
    """This is an operator of a newer API. It is unknown here, so it matches nothing."""

    @classmethod
    def _missing_(cls, value: object) -> "Operator":
        del value
        return cls.OTHER


class Requirement(Model):
    """Describes what the value of a label must be. `Gt` and `Lt` appear only in selectors of nodes."""

    COVERED: ClassVar[Reasons] = {"key operator operands": "which nodes it selects"}

    key: str
    operator: Operator
    operands: tuple[str, ...] = Field(default=(), description="`values` in Kubernetes, a name that Prefect trips over")


class LabelSelector(Model):
    """Selects objects by their labels. All parts must match; an empty selector matches everything."""

    labels: dict[str, str] = Field(default={})
    expressions: tuple[Requirement, ...] = ()


class NodeTerm(Model):
    """Selects nodes by labels and fields. All parts must match; an empty term matches no node."""

    COVERED: ClassVar[Reasons] = {"labels fields": "which nodes it selects"}

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = Field(default=(), description="of metadata.name, the only field that there is")


class Toleration(Model):
    """Tolerates a taint. An empty key with `Exists` matches all taints, an empty effect all effects."""

    key: str = ""
    operator: str = Field(
        default="Equal", description="as the API has it: Equal, Exists, Gt, Lt, or one of a newer API"
    )
    value: str = ""
    effect: str = ""


class Controller(Model):
    """Identifies what recreates a pod."""

    kind: str
    api_version: str
    name: str

    @property
    def is_custom(self) -> bool:
        """True if it is a resource of an operator. The groups of Kubernetes' own controllers have no dot."""
        return "." in self.api_version.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.api_version})"


class Behind(Model):
    """Describes what stands behind the controller of a pod whose PodDisruptionBudget allows no eviction."""

    namespace: str
    controller: Controller
    operator: Controller | None = Field(
        description="the custom resource that it belongs to, directly or by another one"
    )
    labels: dict[str, str] = Field(description="that its template gives to its pods")


class Pod(Model):
    """Describes a pod as the API reports it."""

    namespace: str
    name: str
    uid: str
    node: str = ""
    phase: str = Field(default="Running", description="Pending, Running, Succeeded, Failed or Unknown")
    ready: bool = True
    stops_by: UtcTime | None = Field(default=None, description="it was asked to stop: the end of its grace period")
    labels: dict[str, str] = Field(default={})
    controller: Controller | None = None
    mirror: bool = Field(default=False, description="shows a static pod of the kubelet")
    running: tuple[str, ...] = Field(
        default=(), description="images of the containers that run, as the runtime has them"
    )
    empty_dirs: tuple[str, ...] = Field(default=(), description="volumes whose content goes with it")
    claims: tuple[str, ...] = Field(default=(), description="of persistent volumes")
    own_claims: tuple[str, ...] = Field(
        default=(), description="of its generic ephemeral volumes: they come and go with this very pod"
    )
    finalizers: tuple[str, ...] = ()
    node_labels: dict[str, str] = Field(default={}, description="that its node has to have")
    node_terms: tuple[NodeTerm, ...] | None = Field(default=None, description="one has to hold; none: every node does")
    tolerations: tuple[Toleration, ...] = ()
    grace_period: timedelta = timedelta(seconds=30)

    @property
    def id(self) -> str:
        """Identifies the pod as namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def kin(self) -> str:
        """Names all pods of the same controller, as in `db/postgres-*`, without the generated parts of their names.

        It is the pod's own ID if the pod has no controller.
        """
        if self.controller is None:
            return self.id
        made_from = self.labels.get("pod-template-hash", "")
        return f"{self.namespace}/{self.controller.name.removesuffix(f'-{made_from}')}-*"

    @property
    def every_claim(self) -> tuple[str, ...]:
        """Returns the claims that it mounts, also those of its generic ephemeral volumes."""
        return (*self.claims, *self.own_claims)

    @property
    def is_finished(self) -> bool:
        """True if the pod has finished for good."""
        return self.phase in {"Succeeded", "Failed"}


class Budget(Model):
    """Describes a PodDisruptionBudget."""

    namespace: str
    name: str
    selector: LabelSelector | None = Field(description="none selects nothing")
    min_available: str = Field(default="", description="a number or a percentage; empty when it says maxUnavailable")
    max_unavailable: str = ""
    always_allows_unready: bool = Field(default=False, description="unhealthyPodEvictionPolicy: AlwaysAllow")
    healthy: int = 0
    needed: int = Field(default=0, description="that have to be healthy")
    allowed: int = Field(default=0, description="disruptions now")
    expected: int = Field(default=0, description="pods that it counts")
    problem: str = Field(default="", description="why the controllers cannot count for it")
    is_counted: bool = Field(default=True, description="the figures are of its present rules")
    operator: Controller | None = Field(default=None, description="the custom resource that it belongs to")

    @property
    def id(self) -> str:
        """Identifies the PodDisruptionBudget as namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def rule(self) -> str:
        """Returns the rule as the PodDisruptionBudget states it."""
        if self.min_available:
            return f"minAvailable {self.min_available}"
        return f"maxUnavailable {self.max_unavailable}" if self.max_unavailable else "no rule"

    @property
    def figures(self) -> str:
        """Describes the figures of the PodDisruptionBudget for people."""
        return (
            f"PodDisruptionBudget {self.id} ({self.rule}) needs {self.needed} healthy pods, has {self.healthy} of {self.expected}, "
            f"and allows {self.allowed} disruptions"
        )


class Volume(Model):
    """Describes a persistent volume that is bound to a claim."""

    name: str
    claim: str = Field(description="namespace/name")
    node_terms: tuple[NodeTerm, ...] | None = Field(default=None, description="one has to hold; none: every node does")


class Attachment(Model):
    """Describes a volume that is attached to a node, or about to be."""

    name: str
    node: str
    attacher: str
    volume: str = Field(default="", description="persistent volume; empty for one that a pod describes itself")
    problem: str = Field(default="", description="why it could not be detached, in the words of the storage")


class DrainFacts(Model):
    """Holds all facts for the forecast of a drain."""

    observed_at: UtcTime
    nodes: tuple[KubeNode, ...]
    pods: tuple[Pod, ...] = Field(description="of all nodes")
    budgets: tuple[Budget, ...] = ()
    daemon_sets: tuple[str, ...] = Field(default=(), description="namespace/name")
    volumes: tuple[Volume, ...] = ()
    webhooks: tuple[Webhook, ...] = Field(default=(), description="that stop requests when their backend is away")
    behind: tuple[Behind, ...] = Field(
        default=(), description="of the pods whose PodDisruptionBudget allows no disruption"
    )
