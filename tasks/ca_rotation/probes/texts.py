"""Finds the edits of a node's files in each state of a rotation.

It has one query about kubeconfigs, which prints no secret.
"""

import base64
from collections.abc import Iterator, Sequence

from tasks.ca_rotation.models import folder_of
from tasks.ca_rotation.probes.places import ManifestFile, Places, flags_in, signing_in_container, trust_in_container
from tasks.ca_rotation.probes.trust import halves_in
from tasks.certificates.models.authorities import FILES, SIGNING_FLAG, State, is_single
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.x509 import sum_of
from tasks.core.errors import Refused
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, Authority
from tasks.core.models.outside import from_yaml
from tasks.core.probes.printed import Printed
from tasks.core.probes.yaml_edit import Edit, Path, edits
from tasks.core.shell import script


class MaskedText(Model):
    """Holds a kubeconfig with an `x` for each character of a secret, and the sha256 of the real file."""

    path: str
    sum: str
    text: str


class Texts(Model):
    """Holds what is needed to find the edits in a node's files."""

    kubeconfigs: tuple[MaskedText, ...]
    halves: dict[str, bytes]
    """It holds the halves `old` and `new` as PEM, as far as the node has them."""


class FileEdits(Model):
    """Lists the edits of one file. They apply only while the file has this sha256."""

    path: str
    sum: str
    made: tuple[Edit, ...]


def look(authority: Authority, kubeconfigs: Sequence[str]) -> str:
    """Returns the script of the query, which changes nothing. `parse` reads its output."""
    return script(__file__, "look_at_texts", kubeconfigs="\n".join(kubeconfigs), halves=folder_of(authority))


def parse(stdout: bytes) -> Texts:
    """Parses the output of `look`."""
    told = Printed.of(stdout)
    lines = [(path, *rest.partition(" ")[::2]) for path, rest in told.pairs("kubeconfig")]
    return Texts(
        kubeconfigs=tuple(
            MaskedText(path=_text(path), sum=sum_of_file, text=_text(text)) for path, sum_of_file, text in lines
        ),
        halves={name: decoded(text) for name, text in told.pairs("half")},
    )


def kubeconfig_edits(found: Texts, state: State) -> Iterator[FileEdits]:
    """Yields the edits of kubeconfigs that must trust something else.

    Other clusters in a kubeconfig, as in a person's copy, stay as they are.
    """
    bundle = b"".join(found.halves[half] for half in FILES[state].trusted)
    ours = {half.id for text in found.halves.values() for half in halves_in(text)}
    for config in found.kubeconfigs:
        wanted = {path: base64.b64encode(bundle).decode() for path in _clusters_to_change(config, bundle, ours)}
        if wanted:
            yield FileEdits(path=config.path, sum=config.sum, made=edits(config.text, wanted, config.path))


def manifest_edits(places: Places, state: State) -> Iterator[FileEdits]:
    """Yields the edit of the controller manager's signing file, in whatever form its manifest gives the flag."""
    manifest = places.manifests.get(CONTROLLER_MANAGER, ManifestFile("", ""))
    flags = [one for one in flags_in(manifest.text, CONTROLLER_MANAGER) if one.name == SIGNING_FLAG]
    if not any(one.value for one in flags):
        raise Refused(
            f"{CONTROLLER_MANAGER} has no --{SIGNING_FLAG}", hint="an external CA is rotated where its key is"
        )
    value = (trust_in_container if is_single(Authority.CLUSTER, state) else signing_in_container)(places)
    wanted = {one.path: f"{one.before}{value}" for one in flags if one.value != value}
    if wanted:
        made = edits(manifest.text, wanted, manifest.path)
        yield FileEdits(path=manifest.path, sum=sum_of(manifest.text.encode()), made=made)


def _clusters_to_change(config: MaskedText, bundle: bytes, ours: set[str]) -> Iterator[Path]:
    told = outside.TrustingConfig.read(from_yaml(config.text, config.path) or {}, config.path)
    for place, entry in enumerate(told.clusters):
        data = entry.cluster.certificate_authority_data
        trusted = _decoded(data, config.path)
        known = {half.id for half in halves_in(trusted)}
        if data and trusted != bundle and (len(told.clusters) == 1 or known & ours):
            yield ("clusters", place, "cluster", "certificate-authority-data")


def _decoded(data: str, path: str) -> bytes:
    """Decodes base64 that may span several lines, as Go does."""
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except ValueError:
        raise Refused(
            f"{path}: its certificate-authority-data is not base64", hint="write this kubeconfig again"
        ) from None


def _text(encoded: str) -> str:
    return decoded(encoded).decode(errors="replace")
