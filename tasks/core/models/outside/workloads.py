"""Models controllers of pods, and PodDisruptionBudgets."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Condition, Metadata, Selector
from tasks.core.models.outside.pods import OwnedMetadata, PodSpec


class Template(Outside):
    """This is the template of a controller's pods."""

    spec: PodSpec = PodSpec()


class RollingUpdate(Outside):
    """This is the rolling update section of a controller's update strategy."""

    partition: int = 0


class Strategy(Outside):
    """This is how a controller replaces its pods."""

    type: str = ""
    rolling_update: RollingUpdate = RollingUpdate()


class ControllerSpec(Outside):
    """This is the desired state of a controller."""

    replicas: int = 1
    paused: bool = False
    template: Template = Template()
    update_strategy: Strategy = Strategy()


class ControllerStatus(Outside):
    """This is the progress of a controller; each kind has its own counts."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    available_replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0


class Controller(Outside):
    """This is an apps/v1 Deployment, StatefulSet or DaemonSet."""

    metadata: Metadata
    spec: ControllerSpec = ControllerSpec()
    status: ControllerStatus = ControllerStatus()


class TemplateMetadata(Outside):
    """This is the metadata of a pod template."""

    labels: dict[str, str] = Field(default={})


class LabelledTemplate(Outside):
    """This is a pod template of which only the labels are read."""

    metadata: TemplateMetadata = TemplateMetadata()


class OwnedSpec(Outside):
    """This is the spec of a controller."""

    template: LabelledTemplate = LabelledTemplate()


class OwnedController(Outside):
    """This is any built-in controller of Kubernetes, with its owners."""

    metadata: OwnedMetadata
    spec: OwnedSpec = OwnedSpec()


class BudgetSpec(Outside):
    """This is the desired state of a PodDisruptionBudget."""

    selector: Selector | None = None
    min_available: int | str = ""
    max_unavailable: int | str = ""
    unhealthy_pod_eviction_policy: str = ""


class BudgetStatus(Outside):
    """These are the counts of the disruption controller."""

    current_healthy: int = 0
    desired_healthy: int = 0
    disruptions_allowed: int = 0
    expected_pods: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class Budget(Outside):
    """This is a policy/v1 PodDisruptionBudget."""

    metadata: OwnedMetadata
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()
