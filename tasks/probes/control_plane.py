"""What a control plane node has: manifests, processes, etcd's disk, and the traces of a restore."""

import base64
from pathlib import PurePosixPath

from tasks.models.cluster import EtcdOnNode
from tasks.models.restore import ControlPlaneNode, MemberOnNode, Place, RestoreRecord
from tasks.probes.static_pods import MANIFESTS, parse_etcd

PARKED = "/etc/kubernetes/kube-runbooks-parked"
"""Beside the manifests' folder, on the same file system: a move is one rename. Inside, kubelet would read it."""

WORK = "/var/lib/kube-runbooks/restore"
PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NEEDED_PROGRAMS = ("curl", "zstd", "sha256sum", "flock")


def process_name(pod: str) -> str:
    """As the kernel keeps it: 15 characters."""
    return pod[:15]


def look() -> str:
    """The command; its output is for `parse`."""
    return f"""set -u
for pod in {" ".join(PODS)}; do
  if [ -e {MANIFESTS}/$pod.yaml ]; then echo "manifest $pod active $(base64 -w0 < {MANIFESTS}/$pod.yaml)"
  elif [ -e {PARKED}/$pod.yaml ]; then echo "manifest $pod parked $(base64 -w0 < {PARKED}/$pod.yaml)"
  fi
  pgrep -x "$(echo $pod | cut -c1-15)" > /dev/null && echo "running $pod"
done
for program in {" ".join(NEEDED_PROGRAMS)}; do command -v $program > /dev/null || echo "missing $program"; done
mkdir -p {WORK}; echo "work_free $(df --output=avail -B1 {WORK} | tail -n 1)"
[ -e {WORK}/record.json ] && echo "record $(base64 -w0 < {WORK}/record.json)"
[ -e {WORK}/phase ] && echo "phase $(cat {WORK}/phase)"
for file in {MANIFESTS}/etcd.yaml {PARKED}/etcd.yaml; do
  [ -e $file ] || continue
  data=$(sed -n 's/^ *- --data-dir=//p' $file | head -n 1)
  [ -n "$data" ] || continue
  place=$data; [ -d "$place" ] || place=$(dirname "$data")
  echo "data_free $(df --output=avail -B1 "$place" | tail -n 1)"
  echo "data_bytes $(du -sb "$place" 2>/dev/null | cut -f1)"
  echo "data_owner $(stat -c %u:%g "$place")"
  mountpoint -q "$data" && echo "data_mount yes"
  break
done
true
"""


def parse(node: str, stdout: bytes, *, minor: str) -> ControlPlaneNode:
    """`minor` is etcd's, of the backup."""
    values: dict[str, str] = {}
    manifests: dict[str, Place] = {}
    texts: dict[str, str] = {}
    running, missing = [], []
    for line in stdout.decode(errors="replace").splitlines():
        kind, _, rest = line.partition(" ")
        match kind:
            case "manifest":
                pod, place, text = rest.split(" ")
                manifests[pod] = Place(place)
                texts[pod] = base64.b64decode(text).decode(errors="replace")
            case "running":
                running.append(rest)
            case "missing":
                missing.append(rest)
            case _:
                values[kind] = rest
    member = _member(texts.get("etcd", ""), values, minor)
    record = RestoreRecord.model_validate_json(base64.b64decode(values["record"])) if "record" in values else None
    if record and "phase" in values:
        record = RestoreRecord.model_validate({**record.model_dump(), "phase": values["phase"]})
    return ControlPlaneNode(
        name=node,
        manifests=manifests,
        running=tuple(running),
        missing=tuple(missing),
        member=member,
        not_understood="its etcd manifest has not the flags that kubeadm gives"
        if "etcd" in texts and not member
        else "",
        work_free_bytes=int(values.get("work_free", 0)),
        record=record,
    )


def _member(manifest: str, values: dict[str, str], minor: str) -> MemberOnNode | None:
    pod = parse_etcd(manifest)
    if pod is None or "data_free" not in values:
        return None
    folder = pod.ca.parent
    return MemberOnNode(
        name=pod.name,
        image=pod.image,
        minor=minor,
        data_dir=PurePosixPath(pod.data_dir),
        is_mount=values.get("data_mount") == "yes",
        owner=values.get("data_owner", "0:0"),
        data_bytes=int(values.get("data_bytes") or 0),
        free_bytes=int(values["data_free"]),
        peer_url=pod.peer_urls[0],
        client_url=pod.client_urls[0],
        on_node=EtcdOnNode(
            ca=pod.ca, certificate=folder / "healthcheck-client.crt", key=folder / "healthcheck-client.key"
        ),
    )
