"""`make bench-access`: an audit of a cluster with many bindings and pods, and what it takes. Prints figures, judges nothing.

The pods have no workload, so each of them is judged.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.facts.access import account, binding, cluster_binding, cluster_role, group, rule, user
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import wait_until
from tests.servers.rbac import RBAC
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

BINDINGS, PODS, NAMESPACES, ROLES, USERS, APPS = 5000, 30000, 100, 200, 40, 500
AT_ONCE = 12
NAME = "bench"


def objects(bindings: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Namespaces, ClusterRoles, and bindings in namespaces; one in ten is of the cluster, one role in four reads Secrets."""
    for index in range(NAMESPACES):
        yield "/api/v1/namespaces", {"metadata": {"name": f"n{index}"}}
    for index in range(ROLES):
        more = rule("get,list", "secrets") if index % 4 == 0 else rule("get", "pods/log")
        rules = (rule("get,list,watch", "pods,services"), rule("get", "deployments", group="apps"), more)
        yield f"{RBAC}/clusterroles", cluster_role(f"r{index}", *rules)
    for index in range(bindings):
        subjects = (user(f"u{index}"), group(f"g{index % 300}"), account(f"n{index % NAMESPACES}", f"sa{index % 50}"))
        name, of = f"b{index}", f"r{index % ROLES}"
        if index % 10 == 0:
            yield f"{RBAC}/clusterrolebindings", cluster_binding(name, of, *subjects)
        else:
            place = f"n{index % NAMESPACES}"
            bound = binding(place, name, ("ClusterRole", of), *subjects)
            yield f"{RBAC}/namespaces/{place}/rolebindings", bound


def pods(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pods that nobody schedules; one in three fits restricted. Each has a label of its own, so that no two are alike for policies."""
    tight = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    for index in range(count):
        container = {"name": "web", "image": "registry.example/web:1", "securityContext": {} if index % 3 else tight}
        spec = {"containers": [container], "schedulerName": "nobody"}
        yield (
            f"/api/v1/namespaces/n{index % NAMESPACES}/pods",
            {"metadata": {"name": f"p{index}", "labels": labels(index)}, "spec": spec},
        )


def labels(index: int) -> dict[str, str]:
    """Of a pod in a StatefulSet."""
    return {"app": f"a{index % APPS}", "apps.kubernetes.io/pod-index": str(index)}


def walls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Five NetworkPolicies in each namespace, with peers in the same one and in others; one in five selects nothing."""
    for index in range(5 * NAMESPACES):
        own, spaces = {"podSelector": _app(index + 1)}, {"namespaceSelector": {}, "podSelector": _app(7 * index)}
        peers = [own, spaces, {"ipBlock": {"cidr": "0.0.0.0/0"}}]
        chosen = {"app": "nobody"} if index % 5 == 0 else _app(index)["matchLabels"]
        spec = {
            "podSelector": {"matchLabels": chosen},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": peers, "ports": [{"port": "http"}]}],
            "egress": [{"to": peers, "ports": [{"port": 443}]}],
        }
        path = f"/apis/networking.k8s.io/v1/namespaces/n{index % NAMESPACES}/networkpolicies"
        yield path, {"metadata": {"name": f"w{index}"}, "spec": spec}


def _app(index: int) -> dict[str, Any]:
    return {"matchLabels": {"app": f"a{index % APPS}"}}


def policy() -> dict[str, Any]:
    """Twenty cells for each of some users."""
    can = {"verbs": ["get", "list"], "resources": ["pods", "services"], "namespaces": ["n1", "n2"]}
    cannot = {"verbs": ["create", "delete"], "resources": ["pods", "secrets", "nodes"], "namespaces": []}
    return {"users": [{"name": f"u{index}", "can": [can], "cannot": [cannot]} for index in range(USERS)]}


def measure() -> None:
    """In a process of its own, so that its memory is the audit's."""
    from tasks.access.policy_file import read_policy  # noqa: PLC0415 - the parent's memory is not measured
    from tasks.access.steps import audit_cluster  # noqa: PLC0415 - as above
    from tasks.cluster import open_cluster  # noqa: PLC0415 - as above
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    started = time.monotonic()
    found = audit_cluster(open_cluster(NAME), read_policy(Settings().clusters, NAME), None)
    took = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{found.bindings} bindings, {found.subjects} subjects, {len(found.findings)} findings, {found.sampled} compared"
    )
    print(f"{len(found.cells)} cells of the matrix; {took:.1f} s; peak {peak} MB, of which {before} MB before it began")


def main() -> None:
    """Start the servers, write the objects, and audit them in another process."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--bindings", type=int, default=BINDINGS)
    asked.add_argument("--pods", type=int, default=PODS)
    asked.add_argument("--measure", action="store_true", help="used by the benchmark itself")
    given = asked.parse_args()
    if given.measure:
        measure()
        return
    with ExitStack() as started, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cluster = started.enter_context(ControlPlane(folder / "kubernetes"))
        s3 = started.enter_context(S3Server(folder / "s3"))
        s3.create_bucket(NAME)
        site = Site(folder / "site", NAME, cluster.etcd, s3)
        site.use_api(cluster.kubeconfig())
        (site.clusters / NAME).mkdir()
        (site.clusters / NAME / "access.yaml").write_text(yaml.safe_dump(policy()))
        made = list(objects(given.bindings))
        first = [one for one in made if one[0] == "/api/v1/namespaces"]
        rest = [one for one in made if one[0] != "/api/v1/namespaces"]
        for path, body in first:
            cluster.api.create(path, body)
        accounts = "/api/v1/serviceaccounts"
        wait_until(
            lambda: len(cluster.api.get(accounts)["items"]) > NAMESPACES, 60.0, "namespaces have ServiceAccounts"
        )
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda one: cluster.api.create(*one), [*rest, *walls(), *pods(given.pods)]):
                pass
        command = [sys.executable, "-m", "tests.benchmarks.access", "--measure"]
        subprocess.run(command, env=os.environ | site.environment, check=True)


if __name__ == "__main__":
    main()
