"""Defines what a rollout changes: images, environment, resources, replicas, or a restart."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.report import Choice
from tasks.core.models.request import Requested
from tasks.workloads.models.names import NamespaceName, Ref, WorkloadName

IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
VARIABLE = re.compile(r"(?:[a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[A-Za-z_.-][A-Za-z0-9_.-]*")
SHAPE = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


def _pairs(value: object) -> object:
    """Reads `NAME=VALUE;NAME=VALUE`, the form of a command line; `NAME-` removes a variable."""
    if not isinstance(value, str):
        return value
    found: dict[str, str | None] = {}
    for part in value.split(";"):
        name, sign, text = part.strip().partition("=")
        if not sign and not name.endswith("-"):
            message = f"{part!r} is no NAME=VALUE"
            raise ValueError(message)
        name = name if sign else name[:-1]
        if name in found:
            message = f"it changes {name} twice; keep one of them"
            raise ValueError(message)
        found[name] = text if sign else None
    return found


def _are_images(images: Mapping[str, str | None]) -> Mapping[str, str | None]:
    for container, image in images.items():
        if not image or not IMAGE.fullmatch(image):
            message = f"the image of {container} is {image!r}, which is no reference; write REGISTRY/NAME:TAG, for example shop/web:2"
            raise ValueError(message)
    return images


def _are_quantities(amounts: Mapping[str, str | None]) -> Mapping[str, str | None]:
    for name, amount in amounts.items():
        if not amount or not QUANTITY.fullmatch(amount):
            message = f"{name}={amount!r} is no quantity; write for example cpu=500m or memory=256Mi"
            raise ValueError(message)
    return amounts


def _are_variables(variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    for name in variables:
        if not VARIABLE.fullmatch(name):
            message = f"{name!r} is no name of a variable; write NAME or CONTAINER/NAME"
            raise ValueError(message)
    return variables


_Pairs = Annotated[dict[str, str | None], BeforeValidator(_pairs), WithJsonSchema(SHAPE)]
Images = Annotated[_Pairs, AfterValidator(_are_images)]
Quantities = Annotated[_Pairs, AfterValidator(_are_quantities)]
Variables = Annotated[_Pairs, AfterValidator(_are_variables)]


class Change(Model):
    """Defines what is changed in one workload."""

    COVERED: ClassVar[Reasons] = {
        "namespace workload group images env requests limits replicas restart": "it is what is done",
    }

    namespace: NamespaceName = Field(description="its namespace")
    workload: WorkloadName = Field(description="for example deployment/web")
    group: int = Field(default=1, ge=1, le=100, description="groups go one after the other, in this order")
    images: Images = Field(default={}, description="CONTAINER=IMAGE; several with ; between them")
    env: Variables = Field(
        default={}, description="NAME=VALUE or CONTAINER/NAME=VALUE; NAME- removes it; a secret belongs into a Secret"
    )
    requests: Quantities = Field(default={}, description="cpu=500m;memory=256Mi, or CONTAINER/cpu=500m")
    limits: Quantities = Field(default={}, description="as requests")
    replicas: int | None = Field(default=None, ge=0, le=10000, description="how many pods it has")
    restart: bool = Field(default=False, description="restart its pods, as kubectl rollout restart does")

    @property
    def ref(self) -> Ref:
        """Names the workload."""
        return Ref.of(self.namespace, self.workload)

    @property
    def changes_template(self) -> bool:
        """True if its pods are replaced."""
        return bool(self.images or self.env or self.requests or self.limits or self.restart)

    @property
    def is_empty(self) -> bool:
        """True if it changes nothing."""
        return not self.changes_template and self.replicas is None

    @property
    def digest(self) -> str:
        """Identifies what is changed, so that a run finds its own work again."""
        return hashlib.sha256(self.model_dump_json(exclude={"group"}).encode()).hexdigest()[:16]


class RolloutOptions(Model):
    """Defines what a rollout may do. Every default is the safe one."""

    COVERED: ClassVar[Reasons] = {
        "rollback timeout stable_for bake override_owner respect_cluster_lock logs check_images": CHOICE,
    }

    rollback: bool = Field(default=True, description="put every workload of the run back if one of them fails")
    timeout: Duration = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="longest duration of the rollout of one group"
    )
    stable_for: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        description="how long all pods must stay available without a restart",
    )
    bake: Duration | None = Field(
        default=None,
        ge=timedelta(0),
        description="how long they must then stay so, and the profile's gates open; default: 2m if a gate holds for it, else 0s",
    )
    override_owner: bool = Field(
        default=False, description="also change what Argo CD, Flux, Helm or an operator owns; it may change it back"
    )
    respect_cluster_lock: bool = Field(
        default=False, description="refuse while a run holds the lock of the cluster, for example an upgrade"
    )
    logs: bool = Field(
        default=False, description="show the last lines of the log of a container that crashes; they may hold secrets"
    )
    check_images: bool = Field(
        default=True, description="ask the registries, from the nodes by SSH, whether each new image can be pulled"
    )

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Returns what the person decides who approves the plan."""
        asks = "if a workload fails, the run puts every workload back by itself"
        return (Choice(name="rollback", default=self.rollback, asks=asks),)


class RolloutRequest(Requested):
    """Holds what is changed, why, and by which run."""

    changes: tuple[Change, ...]

    @property
    def refs(self) -> tuple[Ref, ...]:
        """Names the workloads, each once, in the order of their groups."""
        return tuple(dict.fromkeys(one.ref for one in in_groups(self.changes)))

    @property
    def groups(self) -> tuple[tuple[Change, ...], ...]:
        """Returns the changes of each group, in the order of the groups."""
        numbers = sorted({one.group for one in self.changes})
        return tuple(tuple(one for one in self.changes if one.group == number) for number in numbers)


def in_groups(changes: Iterable[Change]) -> list[Change]:
    """Returns the changes in the order of their groups."""
    return sorted(changes, key=lambda one: one.group)
