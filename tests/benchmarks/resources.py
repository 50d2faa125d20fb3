"""`make bench-resources`: a first and a next backup of 30,000 objects, beside Velero and `kubectl get` of all kinds. Prints figures, judges nothing."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pyrage import x25519

from tests.benchmarks.velero import Velero
from tests.facts.access import account, binding
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import wait_until
from tests.servers.rbac import RBAC
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

COUNT, NAMESPACES, AT_ONCE, NAME = 30000, 100, 16, "bench"
CHANGED = 100
"""One object in so many is changed between the two backups."""

GROUP = "bench.example.com"


def definition() -> dict[str, Any]:
    """A kind of custom resources."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def one(index: int) -> tuple[str, dict[str, Any]]:
    """An object: of ten, three are ConfigMaps, and one each of the others."""
    place = f"n{index % NAMESPACES}"
    head = {"name": f"o{index}", "labels": {"app": f"a{index % 500}", "app.kubernetes.io/part-of": "bench"}}
    core, labels = f"/api/v1/namespaces/{place}", {"app": f"a{index}"}
    text = "\n".join(f"setting-{line} = {index * 7919 + line}" for line in range(30))
    container = {"name": "web", "image": "registry.example/web:1", "env": [{"name": "A", "value": text[:200]}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "schedulerName": "nobody"}}
    workload = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, "serviceName": f"o{index}"}
    wall = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"]}
    service = {"ports": [{"name": "http", "port": 80}], "selector": labels, "clusterIP": "None"}
    widget = {"size": index, "settings": text.splitlines()[:10]}
    ours = {"apiVersion": f"{GROUP}/v1", "kind": "Widget"}
    bound = binding(place, f"o{index}", ("ClusterRole", "view"), account(place, f"o{index}"))
    settings: tuple[str, dict[str, Any]] = (f"{core}/configmaps", {"metadata": head, "data": {"app.conf": text}})
    return [
        settings,
        settings,
        settings,
        (f"{core}/secrets", {"metadata": head, "stringData": {"password": uuid.uuid4().hex, "conf": text}}),
        (f"{core}/services", {"metadata": head, "spec": service}),
        (f"{core}/serviceaccounts", {"metadata": head, "imagePullSecrets": [{"name": "pull"}]}),
        (f"{RBAC}/namespaces/{place}/rolebindings", bound),
        (f"/apis/networking.k8s.io/v1/namespaces/{place}/networkpolicies", {"metadata": head, "spec": wall}),
        (f"/apis/apps/v1/namespaces/{place}/statefulsets", {"metadata": head, "spec": workload}),
        (f"/apis/{GROUP}/v1/namespaces/{place}/widgets", {**ours, "metadata": head, "spec": widget}),
    ][index % 10]


def objects(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """All of them."""
    return (one(index) for index in range(count))


def measure() -> None:
    """One backup, in a process of its own, so that its memory is the backup's."""
    from tasks.cluster import open_cluster  # noqa: PLC0415 - the parent's memory is not measured
    from tasks.resources import steps  # noqa: PLC0415 - as above

    handle = open_cluster(NAME)
    _ = handle.store, handle.kube
    before = peak_memory()
    started, worked = time.monotonic(), time.process_time()
    manifest = steps.take_resources.fn(NAME, steps.observe_resources.fn(NAME), str(uuid.uuid4()))
    taken = time.monotonic() - started
    read = steps.read_back_resources.fn(NAME, manifest)
    steps.write_resources_manifest.fn(NAME, manifest)
    took, cpu = time.monotonic() - started, time.process_time() - worked
    peak = peak_memory()
    figures = manifest.figures
    print(
        f"{manifest.index.entries} objects, {figures.dumped} written, {read.files} read back, {figures.requests} requests; "
        f"{took:.1f} s ({taken:.1f} s to take), {cpu:.1f} s of CPU; peak {peak} MB, of which {before} MB before it began; "
        f"{figures.new_packs} packs, {figures.new_bytes / 1e6:.2f} MB added, of which the index {manifest.index.size / 1e6:.2f} MB"
    )


def peak_memory() -> int:
    """In MB. The kernel's ru_maxrss has that of the parent in it, VmHWM does not."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def kubectl(cluster: ControlPlane, folder: Path) -> None:
    """What people do without this: all kinds that can be listed, as YAML, in a file."""
    found = cluster.kubectl("api-resources", "--verbs=list,create", "-o", "name").split()
    started = time.monotonic()
    text = cluster.kubectl("get", "-A", "-o", "yaml", ",".join(found), limit=600.0)
    took = time.monotonic() - started
    (folder / "all.yaml").write_text(text)
    packed = subprocess.run(["gzip", "-c", folder / "all.yaml"], check=True, capture_output=True).stdout
    print(
        f"kubectl get of {len(found)} kinds: {took:.1f} s, {len(text) / 1e6:.1f} MB, with gzip {len(packed) / 1e6:.1f} MB"
    )


def create(cluster: ControlPlane, count: int) -> None:
    """Write the objects."""
    for index in range(NAMESPACES):
        cluster.api.create("/api/v1/namespaces", {"metadata": {"name": f"n{index}"}})
    cluster.api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{GROUP}"

    def served() -> bool:
        conditions = cluster.api.get(path).get("status", {}).get("conditions") or ()
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    wait_until(served, 60.0, "the API serves widgets")
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda one: cluster.api.create(*one), objects(count)):
            pass
    print(f"{count} objects created in {time.monotonic() - started:.0f} s", flush=True)


def change(cluster: ControlPlane, count: int) -> None:
    """Change one of a hundred."""
    note = {"metadata": {"annotations": {"changed": "yes"}}}
    for index in range(7, count, CHANGED + 1):
        path, body = one(index)
        cluster.api.patch(f"{path}/{body['metadata']['name']}", note)


def load() -> None:
    """How busy the machine is: the figures are worth less then."""
    print(f"load average of the last minute: {os.getloadavg()[0]:.1f}", flush=True)


def main() -> None:
    """Start the servers, write the objects, and back them up in another process, twice."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--count", type=int, default=COUNT)
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
        site.write(backup={"recipients": [str(x25519.Identity.generate().to_public())]})
        create(cluster, given.count)
        velero = started.enter_context(Velero(cluster, s3, folder / "velero"))
        command = [sys.executable, "-m", "tests.benchmarks.resources", "--measure"]
        environment = os.environ | site.environment
        print("first backup:", flush=True)
        load()
        subprocess.run(command, env=environment, check=True)
        velero.back_up("first")
        load()
        change(cluster, given.count)
        print("next backup, 1 % changed:", flush=True)
        subprocess.run(command, env=environment, check=True)
        velero.back_up("next")
        load()
        kubectl(cluster, folder)


if __name__ == "__main__":
    main()
