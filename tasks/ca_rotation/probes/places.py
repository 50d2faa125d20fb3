"""Finds where a node has its CAs, with one query and its parser.

The flags of its static pods and its kubelet's configuration name them.
No folder is assumed here: if kubeadm's folder was moved or linked, these flags say so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tasks.ca_rotation.models import CaFiles
from tasks.certificates.models.authorities import SIGNING_FLAG
from tasks.certificates.probes.answer import decoded
from tasks.core.models import outside
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, ORDER, Authority
from tasks.core.models.outside import from_yaml
from tasks.core.probes.kubelet_config import overlaid
from tasks.core.probes.printed import Printed
from tasks.core.probes.static_pods import place_on_host
from tasks.core.probes.yaml_edit import Path
from tasks.core.shell import script

TRUST_FLAGS = {
    Authority.CLUSTER: (API_SERVER, "client-ca-file"),
    Authority.ETCD: (ETCD, "trusted-ca-file"),
    Authority.FRONT_PROXY: (API_SERVER, "requestheader-client-ca-file"),
    Authority.SERVICE_ACCOUNTS: (API_SERVER, "service-account-key-file"),
}
"""Maps each CA to the flag by which a control plane node trusts it."""

KEY_FLAGS = {
    Authority.CLUSTER: (CONTROLLER_MANAGER, "cluster-signing-key-file"),
    Authority.SERVICE_ACCOUNTS: (API_SERVER, "service-account-signing-key-file"),
}
"""Maps each CA to the flag that names its signing key.

For the other CAs, kubeadm keeps the key beside the certificate, and no flag names it.
"""

OTHER_FLAGS = {
    Authority.CLUSTER: {(CONTROLLER_MANAGER, "client-ca-file"): "trust", (CONTROLLER_MANAGER, "root-ca-file"): "trust"},
    Authority.ETCD: {(API_SERVER, "etcd-cafile"): "trust", (ETCD, "peer-trusted-ca-file"): "trust"},
    Authority.FRONT_PROXY: {(CONTROLLER_MANAGER, "requestheader-client-ca-file"): "trust"},
    Authority.SERVICE_ACCOUNTS: {(CONTROLLER_MANAGER, "service-account-private-key-file"): "key"},
}
"""Lists the other flags that must name the same files. A rotation of only one of them would separate them.

All of these files may contain several certificates or keys.
"""

SIGNING_NAME = "ca-signing.crt"
"""This is the file that the controller manager signs with during a rotation.

It has exactly one certificate. It is beside the cluster CA file, which has two meanwhile.
"""

CLIENT_CA = "authentication.x509.clientCAFile"
"""This is the field of the kubelet's configuration with the CA that verifies its clients.

A worker node has the cluster CA for no other purpose.
"""


class Flag(NamedTuple):
    """Describes a flag of a command, the place of its value in the manifest, and the text before the value in that word."""

    name: str
    value: str
    path: Path
    before: str


class ManifestFile(NamedTuple):
    """Describes the manifest of a static pod, active or parked."""

    path: str
    text: str


@dataclass(frozen=True)
class Places:
    """Describes the configured locations of a node's CAs."""

    manifests: Mapping[str, ManifestFile]
    client_ca: str
    """It is the client CA file that the kubelet's configuration names."""

    @property
    def is_control_plane(self) -> bool:
        """True if the node has the manifest of an API server."""
        return API_SERVER in self.manifests

    def flag(self, pod: str, name: str) -> str:
        """Returns the path that a flag names, as the node has it.

        It is `A and B` if the flag is given twice, and empty if it is not given.
        """
        found = self.manifests.get(pod)
        told = [one.value for one in flags_in(found.text, pod) if one.name == name and one.value] if found else []
        return " and ".join(place_on_host(found.text, one) for one in told) if found else ""


def look(manifests: str, parked: str, kubelet: str) -> str:
    """Returns the script of the query, which changes nothing. `parse` reads its output."""
    return script(__file__, "look_at_places", manifests=manifests, parked=parked, pods=ORDER, kubelet=kubelet)


def parse(stdout: bytes, kubelet: str, overrides: Sequence[Mapping[str, Any]] = ()) -> Places:
    """Parses the output of `look`.

    `kubelet` is the path of the kubelet's configuration. `overrides` are its drop-ins and flags.

    Raises:
        NotYet: if the configuration is not YAML.
    """
    told = Printed.of(stdout)
    lines = [(pod, *rest.partition(" ")[::2]) for pod, rest in told.pairs("manifest")]
    text = decoded(told.one("kubelet")).decode(errors="replace")
    own = from_yaml(text, kubelet) or {}
    told_whole = overlaid(own, overrides) if overrides and isinstance(own, Mapping) else own
    settings = outside.KubeletTrust.read(told_whole, kubelet)
    named = settings.authentication.x509.client_ca_file
    return Places(
        manifests={pod: ManifestFile(_text(path), _text(text)) for pod, path, text in lines},
        client_ca=str(PurePosixPath(kubelet).parent / named) if named else "",
    )


def flags_in(manifest: str, pod: str) -> Iterator[Flag]:
    """Yields the flags of the container that has the pod's name, or else of the first one.

    It reads `--name=value` and `--name value` as the programs do.
    etcd accepts one dash for two, and Kubernetes' programs accept `_` for `-`.
    """
    told = outside.Manifest.read(from_yaml(manifest, f"the manifest of {pod}") or {}, f"the manifest of {pod}")
    containers = told.spec.containers
    place = next((at for at, one in enumerate(containers) if one.name == pod), 0)
    words: list[tuple[Path, str]] = [
        (("spec", "containers", place, field, at), word)
        for one in containers[place : place + 1]
        for field, given in (("command", one.command), ("args", one.args))
        for at, word in enumerate(given)
    ]
    for (path, word), (next_path, following) in zip(words, [*words[1:], ((), "-")], strict=False):
        if not word.startswith("-"):
            continue
        head, given, value = word.partition("=")
        name = head.lstrip("-").replace("_", "-")
        if given:
            yield Flag(name, value, path, f"{head}=")
        elif not following.startswith("-"):
            yield Flag(name, following, next_path, "")


def files_of(authority: Authority, places: Places) -> CaFiles:
    """Returns the CA files of a node: from the manifests of a control plane node, or from the kubelet of a worker node.

    A worker node signs nothing.
    """
    if not places.is_control_plane:
        return CaFiles(trust=places.client_ca if authority is Authority.CLUSTER else "")
    trust = places.flag(*TRUST_FLAGS[authority])
    if authority in KEY_FLAGS:
        key = places.flag(*KEY_FLAGS[authority])
    else:
        key = str(PurePosixPath(trust).with_suffix(".key")) if trust else ""
    signing = str(PurePosixPath(trust).with_name(SIGNING_NAME)) if trust and authority is Authority.CLUSTER else ""
    return CaFiles(trust=trust, key=key, signing=signing)


def signs_by(places: Places) -> str:
    """Returns the file that the controller manager is configured to sign with."""
    return places.flag(CONTROLLER_MANAGER, SIGNING_FLAG)


def problems_of(authority: Authority, places: Places, files: CaFiles) -> Iterator[str]:
    """Yields flags that name no file, and flags that name different files. A rotation would separate those files."""
    if not places.is_control_plane:
        if not files.trust and authority is Authority.CLUSTER:
            yield f"kubelet's configuration has no {CLIENT_CA}"
        return
    pod, flag = TRUST_FLAGS[authority]
    if not files.trust:
        yield f"{pod} has no --{flag}" if pod in places.manifests else f"it has no manifest of {pod}"
        return
    for (other, name), what in OTHER_FLAGS[authority].items():
        wanted, found = getattr(files, what), places.flag(other, name)
        if found != wanted:
            yield f"{other} --{name} is {found or 'not there'}, {pod} has {wanted or 'none'}"
    if authority is Authority.CLUSTER:
        if places.client_ca != files.trust:
            yield f"kubelet's {CLIENT_CA} is {places.client_ca or 'not there'}, {pod} has {files.trust}"
        yield from _of_signing_file(places, files)


def _of_signing_file(places: Places, files: CaFiles) -> Iterator[str]:
    """Yields problems with the controller manager's signing file.

    It must be beside the CA, and the controller manager must be able to see it there.
    """
    if (by := signs_by(places)) and by not in {files.trust, files.signing}:
        yield f"{CONTROLLER_MANAGER} signs with {by}, neither with {files.trust} nor with {files.signing}"
    told = signing_in_container(places)
    if told and place_on_host(places.manifests[CONTROLLER_MANAGER].text, told) != files.signing:
        yield f"{CONTROLLER_MANAGER} does not see the folder of {files.trust}: it could not sign with a file beside it"


def signing_in_container(places: Places) -> str:
    """Returns the signing file's path inside the controller manager's container.

    The result is empty if it has no CA file.
    """
    trust = trust_in_container(places)
    return str(PurePosixPath(trust).with_name(SIGNING_NAME)) if trust else ""


def trust_in_container(places: Places) -> str:
    """Returns the CA file's path inside the controller manager's container."""
    found = places.manifests.get(CONTROLLER_MANAGER)
    flags = flags_in(found.text, CONTROLLER_MANAGER) if found else ()
    return next((one.value for one in flags if one.name == "root-ca-file"), "")


def _text(encoded: str) -> str:
    return decoded(encoded).decode(errors="replace")
