"""Reads `caBundle` fields of the API: where they are, and which certificates they contain."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from tasks.certificates.models.inventory import Certificate, Kind
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.x509 import described


def parse_bundles(objects: Mapping[str, bytes], *, now: datetime) -> tuple[Certificate, ...]:
    """Parses the certificates of each `caBundle`, by the object and the field that contain it."""
    return tuple(
        one for path, text in objects.items() for one, _ in described(text, path=path, kind=Kind.TRUST, now=now)
    )


def bundles_in(item: Mapping[str, object], kind: str) -> Iterator[tuple[str, bytes]]:
    """Yields the place and the text of each `caBundle` in one object.

    The object is a webhook configuration, an APIService or a CustomResourceDefinition.
    """
    metadata = item.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, Mapping) else ""
    yield from ((f"{kind}/{name} {place}".strip(), text) for place, text in _bundles(item, ""))


def _bundles(value: object, place: str) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, Mapping):
        label = str(value.get("name", place)) if "clientConfig" in value else place
        for key, inner in value.items():
            if key == "caBundle" and inner:
                yield place, decoded(str(inner))
            else:
                yield from _bundles(inner, label)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _bundles(inner, place)
