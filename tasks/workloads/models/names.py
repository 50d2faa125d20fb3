"""Names workloads as kubectl does: `deployment/web` in a namespace."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from tasks.core.models.base import Model

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Kind(StrEnum):
    """Lists the kinds that have rollouts."""

    DEPLOYMENT = "deployment"
    STATEFUL_SET = "statefulset"
    DAEMON_SET = "daemonset"

    @property
    def plural(self) -> str:
        """Returns the name of the kind in API paths."""
        return f"{self.value}s"

    @property
    def title(self) -> str:  # type: ignore[override]
        """Returns the kind as the API writes it."""
        return {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}[self.value]


SHORT = {"deploy": Kind.DEPLOYMENT, "sts": Kind.STATEFUL_SET, "ds": Kind.DAEMON_SET}
"""Maps kubectl's short names to the kinds."""


def _normal(text: str) -> str:
    kind, _, name = text.strip().partition("/")
    kind = kind.lower().removesuffix(".apps")
    found = SHORT.get(kind) or next((one for one in Kind if kind in {one.value, one.plural}), None)
    if found is None or not NAME.fullmatch(name):
        message = (
            f"{text!r} is no workload; write deployment/NAME, statefulset/NAME or daemonset/NAME, "
            "for example deployment/web"
        )
        raise ValueError(message)
    return f"{found.value}/{name}"


def _is_a_namespace(text: str) -> str:
    if not LABEL.fullmatch(text):
        message = f"{text!r} is no name of a namespace; `kubectl get namespaces` lists them"
        raise ValueError(message)
    return text


WorkloadName = Annotated[str, AfterValidator(_normal)]
"""This is the name of a workload: `deployment/web`, `sts/db`, `ds/agent`."""

NamespaceName = Annotated[str, AfterValidator(_is_a_namespace)]
"""This is the name of a namespace."""


class Ref(Model):
    """Names one workload of the cluster."""

    namespace: str
    kind: Kind
    name: str

    @classmethod
    def of(cls, namespace: str, workload: str) -> "Ref":
        """Returns the reference for a namespace and a `WorkloadName`."""
        kind, _, name = workload.partition("/")
        return cls(namespace=namespace, kind=Kind(kind), name=name)

    @property
    def workload(self) -> str:
        """Returns the name without its namespace, as `deployment/web`."""
        return f"{self.kind.value}/{self.name}"

    @property
    def id(self) -> str:
        """Returns the whole name, as `shop/deployment/web`."""
        return f"{self.namespace}/{self.workload}"

    @property
    def path(self) -> str:
        """Returns the path of the object in the API."""
        return f"{collection(self.namespace, self.kind.plural)}/{self.name}"


def collection(namespace: str, plural: str) -> str:
    """Returns the path of all objects of an apps/v1 kind in a namespace."""
    return f"/apis/apps/v1/namespaces/{namespace}/{plural}"
