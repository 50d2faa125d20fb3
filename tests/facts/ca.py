"""Nodes in each state of a rotation of an authority, as its policy sees them."""

from datetime import timedelta
from typing import Any

from tasks.ca_rotation.models import (
    ApiTrust,
    CaFiles,
    CaRotationFacts,
    CaRotationOptions,
    CaRotationPlan,
    Half,
    Stage,
    TrustOnNode,
)
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.cert_rotation.models.rotation import RotationFacts
from tasks.certificates.models.authorities import FILES, TRUST, State, is_single
from tasks.certificates.models.inventory import Certificate, Inventory, Kind, Kubeconfig, NodeCertificates, Process
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.kubeadm import Authority
from tasks.core.models.profile import CertificateRules
from tasks.nodes.models.nodes import KubeNode
from tests.facts.certificates import FOLDER, NOW, STARTED, control_plane, worker
from tests.facts.etcd import member

OLD, NEW = Half(id="o" * 64, public_key="1" * 64), Half(id="n" * 64, public_key="2" * 64)
STRANGE = Half(id="x" * 64, public_key="3" * 64)
BY_NAME = {"old": OLD, "new": NEW}
READ = STARTED - timedelta(hours=1)
"""Before everything that runs was started."""

LATER = STARTED + timedelta(hours=1)
"""After it."""

CLUSTER, ETCD, FRONT, SA = Authority.CLUSTER, Authority.ETCD, Authority.FRONT_PROXY, Authority.SERVICE_ACCOUNTS
SURE = {"old_clients_gone": True}
MACHINES = ("cp1", "cp2", "cp3", "w1", "w2")


def ids(state: State) -> tuple[str, ...]:
    """That are believed."""
    return tuple(BY_NAME[half].id for half in FILES[state].trusted)


def trust(name: str, authority: Authority, state: State, **changes: Any) -> TrustOnNode:  # noqa: ANN401
    """What the node believes and signs with, and, once a rotation has begun, both halves."""
    has_key = name.startswith("cp")
    values: dict[str, Any] = {
        "node": name,
        "trusted": tuple(BY_NAME[half] for half in FILES[state].trusted),
        "trusted_since": READ,
        "signs": BY_NAME[FILES[state].signs].public_key if has_key else "",
        "signs_since": READ if has_key else None,
        "old": None if state is State.ONLY_OLD else OLD,
        "new": None if state is State.ONLY_OLD else NEW,
    }
    path = f"{FOLDER}/{TRUST[authority]}"
    values["files"] = CaFiles(trust=path)
    if has_key:
        signing = f"{FOLDER}/pki/ca-signing.crt" if authority is Authority.CLUSTER else ""
        values["files"] = CaFiles(trust=path, key=f"{path.rpartition('.')[0]}.key", signing=signing)
        values["has_keys"] = ("old", "new") if values["old"] else ()
    if has_key and authority is Authority.CLUSTER:
        values["signing"] = (BY_NAME[FILES[state].signs],)
        values["signs_by"] = path if is_single(authority, state) else signing
    return TrustOnNode(**values | changes)


def machine(name: str, authority: Authority, state: State) -> NodeCertificates:
    """Its certificates are signed by the one that signs in that state, and its kubeconfigs believe what it believes."""
    node = control_plane(name) if name.startswith("cp") else worker(name)
    signer = BY_NAME[FILES[state].signs].id
    own = {leaf for leaf, made in LEAVES.items() if made.authority == authority}
    own |= {"kubelet-client"} if authority is Authority.CLUSTER else set()
    signed = tuple(
        one.model_copy(update={"signer": signer if one.name in own else "x", "written_at": READ})
        for one in node.certificates
    )
    names = ("admin.conf", "scheduler.conf", "kubelet.conf") if node.is_control_plane else ("kubelet.conf",)
    paths = [f"{FOLDER}/{one}" for one in names]
    believed = [
        Certificate(node=name, path=path, kind=Kind.TRUST, fingerprint=one, written_at=READ)
        for path in paths
        for one in ids(state)
    ]
    kubelet = () if node.is_control_plane else (Process(name="kubelet", started_at=STARTED),)
    return node.model_copy(
        update={
            "certificates": (*signed, *believed),
            "kubeconfigs": tuple(Kubeconfig(path=path) for path in paths),
            "processes": (*node.processes, *kubelet),
        }
    )


def facts(
    authority: Authority = Authority.CLUSTER,
    state: State = State.ONLY_OLD,
    **changes: dict[str, Any],
) -> CaRotationFacts:
    """All nodes in one state, and the API hands out what goes with it.

    `states` and `nodes` have other nodes by name; `trusts`, `api` and `rotation` other fields.
    """
    nodes, trusts, api, rotation = (changes.get(name) or {} for name in ("nodes", "trusts", "api", "rotation"))
    at: dict[str, State] = dict.fromkeys(MACHINES, state) | (changes.get("states") or {})
    machines = {name: machine(name, authority, at[name]) for name in MACHINES} | nodes
    handed = ids(state)
    api_trust = ApiTrust.model_validate(
        {
            "cluster_info": handed,
            "joinable": True,
            "root_cas": {"default": handed, "kube-system": handed},
            "clients": handed,
            "front_proxies": handed,
        }
        | api
    )
    members = tuple(
        member(name, is_leader=name == "cp1").model_copy(update={"node": name}) for name in MACHINES if name[0] == "c"
    )
    values: dict[str, Any] = {
        "observed_at": NOW,
        "run_id": "0a1b2c3d-4711",
        "inventory": Inventory(observed_at=NOW, nodes=tuple(machines.values())),
        "etcd": EtcdFacts(cluster_id="c", observed_at=NOW, members=members),
        "nodes": tuple(KubeNode(name=name, ready=True, kubelet="1.37.2", heartbeat=NOW) for name in MACHINES),
        "configuration": {"kubernetesVersion": "v1.37.2"},
    }
    return CaRotationFacts(
        authority=authority,
        rotation=RotationFacts(**values | rotation),
        nodes=tuple(trust(name, authority, at[name], **trusts.get(name, {})) for name in MACHINES),
        api=api_trust,
    )


def planned(found: CaRotationFacts, stage: Stage, **options: Any) -> CaRotationPlan:  # noqa: ANN401 - its options
    """By the rules of a profile that says nothing of certificates."""
    return plan_ca_rotation(found, stage, CaRotationOptions(**options), CertificateRules(), now=NOW)


def refusals(plan: CaRotationPlan) -> list[str]:
    """Subject and problem."""
    return [f"{one.subject}: {one.problem}" for one in plan.refusals]


def cautions(plan: CaRotationPlan) -> list[str]:
    """Subject and problem."""
    return [f"{one.subject}: {one.problem}" for one in plan.cautions]
