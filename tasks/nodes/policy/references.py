"""Finds the ConfigMaps and Secrets that the pods of a template use."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

JSON = Mapping[str, Any]


class References(NamedTuple):
    """Names what the pods of a template use."""

    config_maps: tuple[str, ...]
    secrets: tuple[str, ...]


def references_of(template: JSON) -> References:
    """Returns every ConfigMap and Secret of a template: variables, volumes, projected volumes, pull secrets."""
    spec = template.get("spec") or {}
    found = [*_of_containers(spec), *_of_volumes(spec)]
    found += [("secret", one.get("name")) for one in spec.get("imagePullSecrets") or []]
    names = {
        kind: sorted({str(name) for is_kind, name in found if is_kind == kind and name}) for kind in ("map", "secret")
    }
    return References(tuple(names["map"]), tuple(names["secret"]))


def _of_containers(spec: JSON) -> Iterator[tuple[str, str | None]]:
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        for source in container.get("envFrom") or []:
            yield "map", (source.get("configMapRef") or {}).get("name")
            yield "secret", (source.get("secretRef") or {}).get("name")
        for variable in container.get("env") or []:
            given = variable.get("valueFrom") or {}
            yield "map", (given.get("configMapKeyRef") or {}).get("name")
            yield "secret", (given.get("secretKeyRef") or {}).get("name")


def _of_volumes(spec: JSON) -> Iterator[tuple[str, str | None]]:
    for volume in spec.get("volumes") or []:
        yield "map", (volume.get("configMap") or {}).get("name")
        yield "secret", (volume.get("secret") or {}).get("secretName")
        for source in (volume.get("projected") or {}).get("sources") or []:
            yield "map", (source.get("configMap") or {}).get("name")
            yield "secret", (source.get("secret") or {}).get("name")
