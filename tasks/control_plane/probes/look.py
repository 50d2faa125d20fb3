"""Reads what a control plane node has: manifests, processes, etcd's disk, and the traces of a restore."""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from pydantic import ValidationError

from tasks.control_plane.models import UNIT, ControlPlaneNode, MemberOnNode, Place, RestoreRecord
from tasks.control_plane.probes.etcd_member import MemberConfigured, Pair, Source, of_unit
from tasks.core.errors import Refused
from tasks.core.models.folders import RESTORES
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER
from tasks.core.models.profile import EtcdEndpoint, EtcdOnNode
from tasks.core.probes.addresses import address_of_url
from tasks.core.probes.pod_shape import lease_of
from tasks.core.probes.printed import Printed
from tasks.core.probes.static_pods import EtcdOfApiServer, doubles_in, flags_of, parse_api_server, place_on_host
from tasks.core.shell import script

CONTROLLER_PODS = (CONTROLLER_MANAGER, SCHEDULER)
"""Lists the pods that are clients of the API; they stop with it and start after it."""

PODS = (ETCD, API_SERVER, *CONTROLLER_PODS)
NEEDED_PROGRAMS = ("curl", "zstd", "sha256sum", "flock")


class Seen(NamedTuple):
    """Holds the result of the first query.

    The place of a member's data is known only after all of its configuration was read.
    """

    node: ControlPlaneNode
    source: Source | None
    """It describes how the node's member runs; None if the node has no member."""
    of_api: Pair | None
    """It holds the client certificate that the node's API server presents to etcd."""


class Leads(NamedTuple):
    """Lists the members that an API server is configured with."""

    endpoints: tuple[EtcdEndpoint, ...] = ()
    problem: str = ""


def look(manifests: PurePosixPath, parked: PurePosixPath) -> str:
    """Returns the read-only command whose output `parse` reads."""
    places: dict[str, PurePosixPath | str] = {"manifests": manifests, "parked": parked, "restores": RESTORES}
    return script(__file__, "look", pods=PODS, unit=UNIT, programs=NEEDED_PROGRAMS, **places)


def parse(node: str, stdout: bytes) -> Seen:
    """Parses the output of `look`; if the member could not be parsed, the node has the reason."""
    told = Printed.of(stdout)
    manifests = [words.split(" ") for words in told.all("manifest")]
    texts = {pod: _decoded(text) for pod, _, text in manifests}
    source, problem = _source(texts, told)
    return Seen(
        node=ControlPlaneNode(
            name=node,
            manifests={pod: Place(place) for pod, place, _ in manifests},
            doubles=doubles_in((unquote(name), _decoded(text)) for name, text in told.pairs("other")),
            running=told.all("running"),
            missing=told.all("missing"),
            not_understood=problem,
            unseen=told.one("unseen"),
            kubelet_problem=(kubelet := _kubelet(_decoded(told.one("kubelet")))).problem,
            kubelet_is_off=kubelet.is_off,
            electing=tuple(pod for pod in CONTROLLER_PODS if pod in texts and _elects(pod, flags_of(texts[pod]))),
            authority_files=_authority_files(texts),
            work_free_bytes=_number(told.one("work_free")),
            work_problem=told.one("work_problem"),
            record=_record(node, told),
            ended=told.all("ended"),
            over=told.all("over"),
        ),
        source=source,
        of_api=_pair_of_api(texts.get(API_SERVER, "")),
    )


def read_files(files: Sequence[str]) -> str:
    """Prints the contents of the files that exist; `parse_files` reads the output."""
    return script(__file__, "read_files", files="\n".join(files))


def parse_files(stdout: bytes) -> dict[str, str]:
    """Returns the contents of the files by path."""
    return {_decoded(path): _decoded(text) for path, text in Printed.of(stdout).pairs("text")}


def look_at_member(member: MemberConfigured, source: Source, of_api: Pair | None) -> str:
    """Queries the disk of the member's data and which client certificates exist; `parse_member` reads the output."""
    files = [str(file) for pair in _pairs(member, of_api) for file in (pair.certificate, pair.key)]
    program = "" if source.manifest else source.program
    return script(__file__, "look_at_member", data=member.data_dir, files="\n".join(files), program=program)


def parse_member(member: MemberConfigured, source: Source, of_api: Pair | None, stdout: bytes) -> MemberOnNode:
    """Returns the member together with what was observed on its node."""
    told = Printed.of(stdout)
    there, pairs = set(told.all("there")), _pairs(member, of_api)
    pair = next((one for one in pairs if {str(one.certificate), str(one.key)} <= there), pairs[0])
    version = re.search(r"etcd Version: (\d+\.\d+\.\d+)", _decoded(told.one("version")))
    return MemberOnNode(
        name=member.name,
        image=member.image,
        unit="" if source.manifest else UNIT,
        version=version[1] if version else member.version,
        data_dir=PurePosixPath(_decoded(told.one("data_real")) or member.data_dir),
        is_mount=told.one("data_mount") == "yes",
        owner=told.one("data_owner") or source.owner or "0:0",
        data_bytes=_number(told.one("data_bytes")),
        free_bytes=_number(told.one("data_free")),
        data_problem=told.one("data_problem"),
        obstacles=member.obstacles,
        peer_url=member.peer_url,
        client_url=member.client_url,
        peers=member.peers,
        on_node=EtcdOnNode(
            address=member.client.host,
            port=member.client.port,
            server_name=member.advertised.host,
            ca=member.ca,
            certificate=pair.certificate,
            key=pair.key,
        ),
        held_by=told.one("data_held"),
    )


def members_of_api(node: str, stdout: bytes) -> Leads:
    """Returns the members of an external etcd that this node's API server is configured with.

    It returns nothing if the node has no API server.
    """
    manifests = [words.split(" ") for words in Printed.of(stdout).all("manifest")]
    text = next((_decoded(text) for pod, _, text in manifests if pod == API_SERVER), "")
    if not text:
        return Leads()
    api = parse_api_server(text)
    if api is None:
        told = "has no --etcd-servers, --etcd-cafile, --etcd-certfile and --etcd-keyfile"
        return Leads(problem=f"the manifest of its API server {told}")
    try:
        found = tuple(
            EtcdEndpoint(url=url.rstrip("/"), node=node, on_node=_from_afar(url, api, text)) for url in api.servers
        )
    except ValueError as error:
        return Leads(problem=f"the manifest of its API server: --etcd-servers: {_first_line(error)}")
    return Leads(found)


def _first_line(error: ValueError) -> str:
    return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)


def _from_afar(url: str, api: EtcdOfApiServer, manifest: str) -> EtcdOnNode:
    ca, certificate, key = (place_on_host(manifest, str(path)) for path in (api.ca, api.certificate, api.key))
    at = address_of_url(url)
    return EtcdOnNode(address=at.host, port=at.port, server_name=at.host, ca=ca, certificate=certificate, key=key)


def _source(manifests: Mapping[str, str], told: Printed) -> tuple[Source | None, str]:
    """Returns the source of the member: its static pod, or else its unit.

    If there is a static pod, a unit beside it is ignored.
    """
    if ETCD in manifests:
        return Source(manifest=manifests[ETCD]), ""
    try:
        return of_unit(_decoded(told.one("unit"))), ""
    except ValueError as error:
        return None, str(error)


def _pair_of_api(manifest: str) -> Pair | None:
    api = parse_api_server(manifest)
    if api is None:
        return None
    certificate, key = (place_on_host(manifest, str(path)) for path in (api.certificate, api.key))
    return Pair(certificate=PurePosixPath(certificate), key=PurePosixPath(key))


def _pairs(member: MemberConfigured, of_api: Pair | None) -> list[Pair]:
    """Lists the client certificates in this order: kubeadm's own, the API server's, and the member's."""
    best, own = member.pairs
    return [best, *([of_api] if of_api else []), own]


def _authority_files(manifests: Mapping[str, str]) -> tuple[str, ...]:
    """Lists the file that verifies the API's clients, and the file that pods receive to verify the API.

    In a kubeadm cluster both are one file.
    """
    named = ((API_SERVER, "client-ca-file"), (CONTROLLER_MANAGER, "root-ca-file"))
    texts = [(manifests[pod], flags_of(manifests[pod]).get(flag)) for pod, flag in named if pod in manifests]
    return tuple(dict.fromkeys(place_on_host(text, file) for text, file in texts if file))


class _Kubelet(NamedTuple):
    problem: str = ""
    is_off: bool = False


def _kubelet(told: str) -> _Kubelet:
    """Returns why kubelet does not run, from what systemd reports on its unit.

    It returns nothing if kubelet runs, and if there is no kubelet.
    """
    words = dict(line.partition("=")[::2] for line in told.splitlines())
    state, file = words.get("ActiveState", ""), words.get("UnitFileState", "")
    if words.get("LoadState") == "masked":
        return _Kubelet("its kubelet is masked", is_off=True)
    if words.get("LoadState") != "loaded" or state in {"active", "reloading"}:
        return _Kubelet()
    if file == "disabled":
        return _Kubelet(f"its kubelet is {state} and disabled", is_off=True)
    return _Kubelet(f"its kubelet is {state}")


def _elects(pod: str, flags: Mapping[str, str]) -> bool:
    """True if the pod elects a leader by the Lease of its own name.

    A configuration file may change that, so a pod with one does not count.
    """
    return "config" not in flags and lease_of(pod, flags) == f"kube-system/{pod}"


def _number(text: str) -> int:
    """Parses a number of bytes; 0 if there is none, and then a problem gives the reason."""
    return int(text) if text.strip().isdigit() else 0


def _record(node: str, told: Printed) -> RestoreRecord | None:
    """Returns the record of a restore; None if there is none.

    It raises `Refused` if the file exists but is no valid record, for example if a power cut left it empty. Without a
    record nobody knows to which restore the data belongs.
    """
    if not told.all("record"):
        return None
    try:
        record = RestoreRecord.model_validate_json(_decoded(told.one("record")))
        return RestoreRecord.model_validate({**record.model_dump(), "phase": dict(told.pairs("phase")).get(record.id)})
    except ValueError as error:
        file = f"{RESTORES}/record.json"
        raise Refused(
            f"{node}: {file} cannot be read as the record of a restore: {_first_line(error)}",
            hint=f"compare it with the same file on the other control plane nodes and copy theirs; where there is none, `sudo mv {file} "
            f"{file}.void` on {node}",
        ) from None


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
