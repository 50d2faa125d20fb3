"""Controllers of pods, and PodDisruptionBudgets."""

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Condition, Metadata, PlacedMetadata, Selector
from tasks.core.models.outside.pods import PodSpec


class Template(Outside):
    """Of a controller's pods."""

    spec: PodSpec = PodSpec()


class RollingUpdate(Outside):
    """How a controller replaces its pods."""

    partition: int = 0


class Strategy(Outside):
    """How a controller replaces its pods."""

    type: str = ""
    rolling_update: RollingUpdate = RollingUpdate()


class ControllerSpec(Outside):
    """What somebody wants of a controller."""

    replicas: int = 1
    paused: bool = False
    template: Template = Template()
    update_strategy: Strategy = Strategy()


class ControllerStatus(Outside):
    """How far a controller is; each kind has its own figures."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    available_replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0


class Controller(Outside):
    """apps/v1 Deployment, StatefulSet or DaemonSet."""

    metadata: Metadata
    spec: ControllerSpec = ControllerSpec()
    status: ControllerStatus = ControllerStatus()


class BudgetSpec(Outside):
    """What somebody wants of a budget."""

    selector: Selector | None = None
    min_available: int | str = ""
    max_unavailable: int | str = ""
    unhealthy_pod_eviction_policy: str = ""


class BudgetStatus(Outside):
    """What the controllers count."""

    current_healthy: int = 0
    desired_healthy: int = 0
    disruptions_allowed: int = 0
    expected_pods: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class Budget(Outside):
    """policy/v1 PodDisruptionBudget."""

    metadata: PlacedMetadata
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()
