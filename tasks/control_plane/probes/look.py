"""What a control plane node has: manifests, processes, etcd's disk, and the traces of a restore."""

import base64
import re

from pydantic import ValidationError

from tasks.control_plane.models import UNIT, ControlPlaneNode, MemberOnNode, Place, RestoreRecord
from tasks.control_plane.probes.manifests import (
    EtcdOfApiServer,
    EtcdPod,
    flags_of,
    host_path_of,
    image_of,
    parse_api_server,
    parse_flags,
)
from tasks.core.errors import Refused
from tasks.core.models.folders import RESTORES
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, MANIFESTS, PARKED, SCHEDULER
from tasks.core.models.profile import EtcdEndpoint, EtcdOnNode
from tasks.core.shell import script

CONTROLLER_PODS = (CONTROLLER_MANAGER, SCHEDULER)
"""Clients of the API: they stop with it, and start after it."""

PODS = (ETCD, API_SERVER, *CONTROLLER_PODS)
NEEDED_PROGRAMS = ("curl", "zstd", "sha256sum", "flock")


def look() -> str:
    """The command, which changes nothing; its output is for `parse`."""
    places = {"manifests": MANIFESTS, "parked": PARKED, "restores": RESTORES}
    return script(__file__, "look", pods=PODS, unit=UNIT, programs=NEEDED_PROGRAMS, **places)


def parse(node: str, stdout: bytes) -> ControlPlaneNode:
    """What `look` printed."""
    lines = [line.partition(" ")[::2] for line in stdout.decode(errors="replace").splitlines()]
    values = dict(lines)
    manifests = [words.split(" ") for kind, words in lines if kind == "manifest"]
    texts = {pod: _decoded(text) for pod, _, text in manifests}
    places = {pod: Place(place) for pod, place, _ in manifests}
    member, problem = _of_pod(texts[ETCD], values) if ETCD in texts else _of_unit(values)
    return ControlPlaneNode(
        name=node,
        manifests=places,
        running=tuple(words for kind, words in lines if kind == "running"),
        missing=tuple(words for kind, words in lines if kind == "missing"),
        member=member,
        not_understood=problem,
        unseen=values.get("unseen", ""),
        authority_files=_authority_files(texts),
        work_free_bytes=int(values.get("work_free", 0)),
        record=_record(node, values, dict(words.partition(" ")[::2] for kind, words in lines if kind == "phase")),
        ended=tuple(words for kind, words in lines if kind == "ended"),
        over=tuple(words for kind, words in lines if kind == "over"),
    )


def _authority_files(manifests: dict[str, str]) -> tuple[str, ...]:
    """What clients of the API are checked by, and what pods are given to check the API by: kubeadm has one file for both."""
    flags = {pod: flags_of(manifests[pod]) for pod in (API_SERVER, CONTROLLER_MANAGER) if pod in manifests}
    found = (flags.get(API_SERVER, {}).get("client-ca-file"), flags.get(CONTROLLER_MANAGER, {}).get("root-ca-file"))
    return tuple(dict.fromkeys(file for file in found if file))


Found = tuple[MemberOnNode | None, str]
"""A member, or what is not understood of it; neither where there is none."""


def endpoints_at(node: str, stdout: bytes) -> tuple[EtcdEndpoint, ...]:
    """The members that a node leads to: its own, or those of an external etcd that its API server is told of."""
    if member := parse(node, stdout).member:
        return (EtcdEndpoint(url=member.client_url, node=node, on_node=member.on_node),)
    lines = [line.split(" ") for line in stdout.decode(errors="replace").splitlines()]
    text = next((words[3] for words in lines if words[:2] == ["manifest", API_SERVER]), "")
    api = parse_api_server(_decoded(text))
    return tuple(EtcdEndpoint(url=url, node=node, on_node=_from_afar(url, api)) for url in api.servers) if api else ()


def _from_afar(url: str, api: EtcdOfApiServer) -> EtcdOnNode:
    host, _, port = url.removeprefix("https://").rpartition(":")
    return EtcdOnNode(
        address=host, port=int(port), server_name=host, ca=api.ca, certificate=api.certificate, key=api.key
    )


def _of_pod(manifest: str, values: dict[str, str]) -> Found:
    flags, image = flags_of(manifest), image_of(manifest)
    pod = EtcdPod.of_flags(flags, image=image)
    if pod is None or "wal-dir" in flags:
        return None, "its etcd manifest has not the flags that kubeadm gives"
    if (on_host := host_path_of(manifest, pod.data_dir)) != pod.data_dir:
        return None, f"its etcd manifest mounts {on_host} as {pod.data_dir}; kubeadm mounts a path as itself"
    version = re.search(r":v?(\d+\.\d+\.\d+)", image)
    folder = pod.ca.parent
    client = EtcdOnNode(ca=pod.ca, certificate=folder / "healthcheck-client.crt", key=folder / "healthcheck-client.key")
    member = _member(pod, values, client, version[1] if version else "")
    return member.model_copy(update={"image": image}), ""


def _of_unit(values: dict[str, str]) -> Found:
    """The flags of its command win over its environment, as etcd itself has it."""
    if "unit" not in values:
        return None, ""
    command, environment = (_decoded(text) for text in values["unit"].split(" "))
    settings = (line.partition("=")[::2] for line in environment.splitlines())
    flags = {name.removeprefix("ETCD_").lower().replace("_", "-"): value.strip("\"'") for name, value in settings}
    flags |= parse_flags(command.split())
    pod = EtcdPod.of_flags(flags, image="")
    if pod is None or "wal-dir" in flags:
        return None, f"its {UNIT} has not the flags, or variables, that a member with TLS has"
    # An etcd that checks its clients is also one of its own gateway, with its own certificate.
    client = EtcdOnNode(ca=pod.ca, certificate=pod.certificate, key=pod.key)
    return _member(pod, values, client, values.get("version", "")).model_copy(update={"unit": UNIT}), ""


def _member(pod: EtcdPod, values: dict[str, str], client: EtcdOnNode, version: str) -> MemberOnNode:
    return MemberOnNode(
        name=pod.name,
        version=version,
        data_dir=pod.data_dir,
        is_mount=values.get("data_mount") == "yes",
        owner=values.get("data_owner", "0:0"),
        data_bytes=int(values.get("data_bytes") or 0),
        free_bytes=int(values.get("data_free") or 0),
        peer_url=pod.peer_urls[0],
        client_url=pod.client_urls[0],
        peers=pod.peers,
        on_node=client,
        held_by=values.get("data_held", ""),
    )


def _record(node: str, values: dict[str, str], phases: dict[str, str]) -> RestoreRecord | None:
    """Refused where it is there and is none, for example empty after a power cut: whose data lies where is not known then."""
    if "record" not in values:
        return None
    try:
        record = RestoreRecord.model_validate_json(_decoded(values["record"]))
        return RestoreRecord.model_validate({**record.model_dump(), "phase": phases.get(record.id)})
    except ValueError as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        file = f"{RESTORES}/record.json"
        raise Refused(
            f"{node}: {file} cannot be read as the record of a restore: {why}",
            hint=f"compare it with the same file on the other control plane nodes and copy theirs; where there is none, `sudo mv {file} "
            f"{file}.void` on {node}",
        ) from None


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
