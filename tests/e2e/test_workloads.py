"""Rollouts with real kubelets and a real registry: what is refused, what is told early, what goes back, and what clients of a service see."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.observers import asking
from tests.e2e.site import LabSite
from tests.lab.host import LabError
from tests.lab.images import REGISTRY, WORKLOAD
from tests.lab.lab import Lab
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(900)

SHOP, FULL, GOOD = "shop", "full", "good"
ABSENT = f"{REGISTRY}/lab/busybox:never-built"
QUICK: dict[str, Any] = {"stable_for": "3s"}
ROLLOUT = "kube-runbooks.io/rollout"
LIMIT = 150.0
ASK = "curl --silent --fail --max-time 3 http://{address}/ || true"

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: SPACE}
spec:
  replicas: COUNT
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 6
      containers:
        - name: main
          image: IMAGE
          env: [{name: FAULT, value: none}, {name: LEVEL, valueFrom: {configMapKeyRef: {name: web, key: level}}}]
          command:
            - /bin/busybox
            - sh
            - -c
            - |
              if [ "$FAULT" = crash ]; then echo "cannot open the ledger"; exit 3; fi
              mkdir /w && echo "$LEVEL $FAULT" > /w/index.html && exec busybox httpd -f -p 8080 -h /w
          readinessProbe:
            exec: {command: [/bin/busybox, sh, -c, 'if [ "$FAULT" = cold ]; then echo "the cache is cold"; exit 1; fi; busybox wget -q -O /dev/null http://127.0.0.1:8080/']}
            periodSeconds: 1
          lifecycle: {preStop: {sleep: {seconds: 3}}}
---
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: SPACE}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
CONFIG = """\
apiVersion: v1
kind: Namespace
metadata: {name: SPACE}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: SPACE}
data: {level: old}
---
"""
QUOTA = """\
apiVersion: v1
kind: ResourceQuota
metadata: {name: pods, namespace: full}
spec: {hard: {pods: 1}}
"""
NAMES = ("crash", "image", "cold", "crash-by-hand", "image-by-hand")


def web(name: str, space: str, count: int) -> str:
    """A Deployment that does as its variable FAULT says."""
    changed = {"NAME": name, "SPACE": space, "COUNT": str(count), "IMAGE": WORKLOAD}
    made = WEB
    for old, new in changed.items():
        made = made.replace(old, new)
    return made


@contextmanager
def namespaces(lab: Lab, **workloads: Mapping[str, int]) -> Iterator[None]:
    """Namespaces with Deployments that run, by their replicas. They are gone afterwards, and their pods do not take their time."""
    parts = [CONFIG.replace("SPACE", space) for space in workloads]
    parts += [web(name, space, count) for space, names in workloads.items() for name, count in names.items()]
    lab.kubectl("apply", "-f", "-", text="".join(parts))
    try:
        for space in workloads:
            wait = ("wait", "--for=condition=Available", "deployment", "--all", "--timeout=90s")
            lab.kubectl("-n", space, *wait, limit=100)
        yield
    finally:
        lab.kubectl("delete", "namespace", *workloads, "--wait=false")
        for space in workloads:
            lab.kubectl("-n", space, "delete", "pods", "--all", "--grace-period=1", "--wait=false")
        lab.kubectl("wait", "--for=delete", *(f"namespace/{space}" for space in workloads), "--timeout=90s", limit=100)


def changed(name: str, space: str = SHOP, **what: object) -> list[dict[str, Any]]:
    """A change of one Deployment."""
    return [{"namespace": space, "workload": f"deployment/{name}", **what}]


def serve(lab: Lab, space: str) -> str:
    """The address of a Service of the Deployment web; it answers."""
    lab.kubectl("apply", "-f", "-", text=SERVICE.replace("SPACE", space))
    address = lab.kubectl("-n", space, "get", "service", "web", "--output=jsonpath={.spec.clusterIP}")
    wait_until(lambda: lab["w1"].run(ASK.format(address=address)), LIMIT, "the service answers")
    return address


def roll_out_together(site: LabSite, runs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The reports of runs that work beside each other, by the name of their reason."""
    before = set(site.keys(f"{site.name}/reports/"))
    processes = [
        site.start("workload_rollout", **({"mode": "apply", "reason": name} | run)) for name, run in runs.items()
    ]
    try:
        for process in processes:
            process.wait(timeout=LIMIT * 5)
    finally:
        for process in processes:
            process.kill()
    keys = [one for one in site.keys(f"{site.name}/reports/") if one.endswith(".json") and one not in before]
    reports = [json.loads(site.read(key)) for key in keys]
    return {name: next(one for one in reports if one["plan"]["steps"][0]["reason"].startswith(name)) for name in runs}


def seconds_of(site: LabSite, report: dict[str, Any], workload: str) -> float:
    """From the change until the run knew that it fails: then it began to put the workload back."""
    text = site.lab.kubectl("-n", SHOP, "get", workload, "--output=json")
    began = json.loads(json.loads(text)["metadata"]["annotations"][ROLLOUT])["began"]
    knew = next(one["started_at"] for one in report["done"] if one["step"] == "put back group")
    return (datetime.fromisoformat(knew) - datetime.fromisoformat(began)).total_seconds()


def by_hand(lab: Lab, change: Callable[[], object], workload: str) -> str:
    """Seconds until `kubectl rollout status` says something, and what."""
    change()
    began = time.monotonic()
    try:
        said = lab.kubectl("-n", SHOP, "rollout", "status", workload, "--timeout=45s")
    except LabError as error:
        said = str(error)
    return f"{time.monotonic() - began:.1f} s: {said.strip().splitlines()[-1]}"


@pytest.fixture
def faults(small: LabSite) -> Iterator[LabSite]:
    """A Deployment for each fault, and one whose quota is full."""
    with namespaces(small.lab, **{SHOP: {"web": 2} | dict.fromkeys(NAMES, 1), FULL: {"web": 1}}):
        small.lab.kubectl("apply", "-f", "-", text=QUOTA)
        yield small


@pytest.mark.full
def test_each_fault_is_told_early_with_its_cause_and_goes_back(faults: LabSite) -> None:
    """Five runs beside each other, and kubectl on the same faults. What can be known before is refused before."""
    lab = faults.lab
    address = serve(lab, SHOP)
    runs: dict[str, dict[str, Any]] = {
        "bad release": {"changes": changed("web", env={"FAULT": "crash"}), "options": QUICK | {"logs": True}},
        "crash": {"changes": changed("crash", env={"FAULT": "crash"}), "options": QUICK | {"logs": True}},
        "image": {"changes": changed("image", images={"main": ABSENT}), "options": QUICK | {"check_images": False}},
        "cold cache": {"changes": changed("cold", env={"FAULT": "cold"}), "options": QUICK | {"timeout": "30s"}},
        "quota": {"changes": changed("web", FULL, replicas=2), "options": QUICK},
        "absent": {"changes": changed("image-by-hand", images={"main": ABSENT})},
    }
    crash, image = "deployment/crash-by-hand", "deployment/image-by-hand"
    with ThreadPoolExecutor() as pool, asking(lab, address, "w1") as count:
        hands = {
            "crash": pool.submit(
                by_hand, lab, lambda: lab.kubectl("-n", SHOP, "set", "env", crash, "FAULT=crash"), crash
            ),
            "image": pool.submit(
                by_hand, lab, lambda: lab.kubectl("-n", SHOP, "set", "image", image, f"main={ABSENT}-at-all"), image
            ),
        }
        reports = roll_out_together(faults, runs)
    print(f"\na bad release: {count}")
    for name, hand in hands.items():
        took = seconds_of(faults, reports[name], f"deployment/{name}")
        print(f"{name}: ours after {took:.1f} s: {reports[name]['problem']}")
        print(f"{name}: kubectl rollout status after {hand.result()}")
    refused = reports.pop("absent")
    assert (refused["outcome"], [one["step"] for one in refused["done"]][-1]) == ("refused", "ask registries")
    assert f"image {ABSENT} cannot be pulled: asked from node w1, " in refused["problem"]
    assert ": 404 MANIFEST_UNKNOWN" in refused["problem"]
    assert {one["outcome"] for one in reports.values()} == {"failed"}
    for name in ("bad release", "crash"):
        assert "container main: it ended with exit code 3 (Error)" in reports[name]["problem"]
        assert "its log: cannot open the ledger" in reports[name]["problem"]
    assert f": image {ABSENT}: " in reports["image"]["problem"]
    assert f"{ABSENT}: not found; {SHOP}/deployment/image is back" in reports["image"]["problem"]
    assert "it runs and is not ready: Readiness probe failed: the cache is cold" in reports["cold cache"]["problem"]
    assert "exceeded quota: pods" in reports["quota"]["problem"]
    for name, report in reports.items():
        workload = f"{FULL if name == 'quota' else SHOP}/{runs[name]['changes'][0]['workload']}"
        assert f"{workload} is back, and runs main={WORKLOAD}" in report["problem"]


@pytest.fixture
def good(small: LabSite) -> Iterator[LabSite]:
    """One Deployment that serves."""
    with namespaces(small.lab, **{GOOD: {"web": 2}}):
        yield small


def test_a_good_release_loses_no_request_and_a_rollback_brings_the_old_configuration(good: LabSite) -> None:
    """The pods themselves answer with the value that they see."""
    lab = good.lab
    address = serve(lab, GOOD)

    def answer() -> str:
        return lab["w1"].run(ASK.format(address=address)).strip()

    with asking(lab, address, "w1") as count:
        report = good.run(
            "workload_rollout",
            changes=changed("web", GOOD, env={"FAULT": "no"}),
            reason="new",
            mode="apply",
            options=QUICK,
        )
    print(f"\na good release: {count}")
    assert report["outcome"] == "completed"
    assert (count.lost, count.total > 0) == ([], True)
    wait_until(lambda: answer() == "old no", LIMIT, "the new pods answer")
    lab.kubectl("-n", GOOD, "patch", "configmap", "web", "--patch", '{"data": {"level": "new"}}')
    report = good.run(
        "workload_rollback",
        namespace=GOOD,
        workloads=["deployment/web"],
        reason="errors",
        mode="apply",
        options=QUICK,
    )
    assert report["outcome"] == "completed"
    wait_until(lambda: answer() == "old none", LIMIT, "the pods have the template and the value of then")
