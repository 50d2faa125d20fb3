"""Objects of an access policy as the API has them, and how they differ from the policy."""

from datetime import UTC, datetime
from typing import Any

from tasks.access.models.audit import Judged
from tasks.access.models.declared import Kind, Place, Wanted
from tasks.access.models.policy import AccessPolicy
from tasks.access.policy.declared import declare
from tasks.access.probes.discovery import parse_resources
from tasks.access_apply.models import Act, Change, Comparison
from tasks.core.models.outside import AccessObject

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)

Object = dict[str, Any]


def _resource(name: str, scope: str = "Namespaced") -> Object:
    return {"resource": name, "scope": scope}


KNOWN = parse_resources(
    [
        {
            "metadata": {},
            "versions": [{"resources": [_resource("pods"), _resource("secrets"), _resource("nodes", "Cluster")]}],
        }
    ]
)


def right(verbs: str, resources: str, *namespaces: str) -> Object:
    """With commas between."""
    return {"verbs": verbs.split(","), "resources": resources.split(","), "namespaces": list(namespaces)}


def policy(**fields: Any) -> AccessPolicy:  # noqa: ANN401 - as people write it
    """Where ada may read pods in one namespace, if nothing else is said."""
    ada = {"name": "ada", "can": [right("get", "pods", "shop")]}
    return AccessPolicy.model_validate({"users": [ada]} | fields)


def wanted(**fields: Any) -> tuple[Wanted, ...]:  # noqa: ANN401 - as people write it
    """The objects of that policy."""
    return declare(policy(**fields), KNOWN).objects


def live(one: Wanted, **changes: Any) -> AccessObject:  # noqa: ANN401 - fields of the object
    """An object as the API has it."""
    metadata = one.body["metadata"] | {"uid": "u1", "resourceVersion": "7"} | changes.pop("metadata", {})
    return AccessObject.read(one.body | {"metadata": metadata} | changes, "an object")


def change(act: Act, name: str = "kube-runbooks:user:ada", *difference: str, kind: Kind = Kind.ROLE) -> Change:
    """Of an object in one namespace."""
    return Change(
        kind=kind, namespace="shop", name=name, subject="User:ada", act=act, difference=difference, body={"kind": kind}
    )


def place(kind: Kind, name: str, namespace: str = "shop") -> Place:
    """Where an object is."""
    return Place(kind, namespace, name)


def comparison(*changes: Change, **fields: Any) -> Comparison:  # noqa: ANN401 - fields of Comparison
    """Of a cluster with a policy."""
    return Comparison.model_validate({"observed_at": NOON, "policy": policy(), "changes": changes} | fields)


def failing(count: int) -> tuple[Judged, ...]:
    """Cells of rights that ada does not have yet."""
    return tuple(
        Judged(subject="User:ada", wanted="allow", right=f"get pods{number}", allowed=False) for number in range(count)
    )
