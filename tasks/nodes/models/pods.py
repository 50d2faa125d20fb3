"""Pods, what protects them, and what decides where they may run: as far as a drain has to know."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.workloads import Webhook


class Operator(StrEnum):
    """Of a requirement in a selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"
    OTHER = ""
    """Of a newer API: not understood, so that it holds for nothing."""

    @classmethod
    def _missing_(cls, value: object) -> "Operator":
        del value
        return cls.OTHER


class Requirement(Model):
    """What a label has to be; `Gt` and `Lt` in selectors of nodes only."""

    key: str
    operator: Operator
    operands: tuple[str, ...] = Field(default=(), description="`values` in Kubernetes, a name that Prefect trips over")


class LabelSelector(Model):
    """All of it has to hold; an empty one selects everything."""

    labels: dict[str, str] = Field(default={})
    expressions: tuple[Requirement, ...] = ()


class NodeTerm(Model):
    """All of it has to hold for a node; an empty one selects none."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = Field(default=(), description="of metadata.name, the only field that there is")


class Toleration(Model):
    """Of a taint; an empty key with `Exists` is of all taints, an empty effect of all effects."""

    key: str = ""
    operator: str = Field(
        default="Equal", description="as the API has it: Equal, Exists, Gt, Lt, or one of a newer API"
    )
    value: str = ""
    effect: str = ""


class Controller(Model):
    """What makes a pod again."""

    kind: str
    api_version: str
    name: str


class Pod(Model):
    """As the API has it."""

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
        """namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def kin(self) -> str:
        """All pods of its controller, `db/postgres-*`: without what is generated of their names. Else its own name."""
        if self.controller is None:
            return self.id
        made_from = self.labels.get("pod-template-hash", "")
        return f"{self.namespace}/{self.controller.name.removesuffix(f'-{made_from}')}-*"

    @property
    def is_finished(self) -> bool:
        """It has ended for good."""
        return self.phase in {"Succeeded", "Failed"}


class Budget(Model):
    """A PodDisruptionBudget."""

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

    @property
    def id(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def rule(self) -> str:
        """As it is written in it."""
        if self.min_available:
            return f"minAvailable {self.min_available}"
        return f"maxUnavailable {self.max_unavailable}" if self.max_unavailable else "no rule"

    @property
    def figures(self) -> str:
        """For people."""
        return (
            f"budget {self.id} ({self.rule}) needs {self.needed} healthy pods, has {self.healthy} of {self.expected}, "
            f"and allows {self.allowed} disruptions"
        )


class Volume(Model):
    """A persistent volume that is bound."""

    name: str
    claim: str = Field(description="namespace/name")
    node_terms: tuple[NodeTerm, ...] | None = Field(default=None, description="one has to hold; none: every node does")


class Attachment(Model):
    """A volume that is attached to a node, or on its way."""

    name: str
    node: str
    attacher: str
    volume: str = Field(default="", description="persistent volume; empty for one that a pod describes itself")


class DrainFacts(Model):
    """All that a drain is forecast from."""

    observed_at: UtcTime
    nodes: tuple[KubeNode, ...]
    pods: tuple[Pod, ...] = Field(description="of all nodes")
    budgets: tuple[Budget, ...] = ()
    daemon_sets: tuple[str, ...] = Field(default=(), description="namespace/name")
    volumes: tuple[Volume, ...] = ()
    webhooks: tuple[Webhook, ...] = Field(default=(), description="that stop requests when their backend is away")
