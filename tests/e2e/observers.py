"""What clients and an independent observer see while a runbook is at work: nothing of ours is asked for it."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import httpx

from tests.lab.host import LabError
from tests.lab.images import WORKLOAD as IMAGE
from tests.lab.lab import Lab
from tests.servers.processes import wait_until

TRIES = 30
"""Of one API request, as a client with retries has them: half a minute."""

SERVICE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 10
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: NAME}}}
      containers:
        - name: web
          image: IMAGE
          command: [/bin/busybox, sh, -c, "mkdir /w && echo hello > /w/index.html && exec busybox httpd -f -p 8080 -h /w"]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 4}}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: default}
spec: {selector: {app: NAME}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: NAME, namespace: default}
spec: {minAvailable: 1, selector: {matchLabels: {app: NAME}}}
"""
"""Two pods that stop as an orderly server does: requests that were sent before its end is known are still answered."""


LOOP = 20
"""Requests of the service before it is looked at again which machine asks."""


@dataclass
class Count:
    """Of requests."""

    total: int = 0
    failed: list[str] = field(default_factory=list)
    """Tries that failed, with time and reason."""
    lost: list[str] = field(default_factory=list)
    """Requests of which no try was answered."""

    def __str__(self) -> str:
        return f"{len(self.lost)} lost and {len(self.failed)} tries failed of {self.total}"


@dataclass
class Seen:
    """By all observers."""

    reads: Count = field(default_factory=Count)
    writes: Count = field(default_factory=Count)
    service: Count = field(default_factory=Count)
    fewest_members: int = 99
    ailing: list[str] = field(default_factory=list)
    """Members of etcd that were not healthy, with the reason: a line for each look that found any, with its time."""
    violations: list[str] = field(default_factory=list)
    """Of the budget."""
    cordons: list[tuple[float, str, bool]] = field(default_factory=list)
    """Seconds, node, cordoned: each change."""

    def __str__(self) -> str:
        return (
            f"service: {self.service}; API reads: {self.reads}; writes: {self.writes}; fewest healthy members of etcd: "
            f"{self.fewest_members}; violations of the budget: {len(self.violations)}"
        )

    @property
    def most_cordoned(self) -> int:
        """Nodes at once."""
        state: dict[str, bool] = {}
        most = 0
        for _, name, cordoned in self.cordons:
            state[name] = cordoned
            most = max(most, sum(state.values()))
        return most


def start_service(lab: Lab, name: str = "web") -> str:
    """A service with a budget; its address, which every node knows."""
    lab.kubectl("apply", "-f", "-", text=SERVICE.replace("NAME", name).replace("IMAGE", IMAGE))
    lab.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s", limit=100)
    address = lab.kubectl("get", "service", name, "--output=jsonpath={.spec.clusterIP}")
    for machine in lab.nodes:
        asked = partial(machine.run, f"curl --silent --fail --max-time 3 http://{address}/ || true")
        wait_until(asked, 180.0, f"the service answers {machine.name}")
    return address


@contextmanager
def observed(lab: Lab, address: str, *, clients: Sequence[str] = ("w1",)) -> Iterator[Seen]:
    """All observers at work while the block runs; the service is asked from one of the machines `clients`."""
    seen, end = Seen(), threading.Event()
    began = time.monotonic()
    acts: list[Callable[[], None]] = [
        lambda: _ask_api(lab, seen.reads, _read),
        lambda: _ask_api(lab, seen.writes, _write),
        lambda: _count_members(lab, seen),
        lambda: _watch_budget(lab, seen),
        lambda: _watch_cordons(lab, seen, began),
    ]
    threads = [threading.Thread(target=_repeat, args=(act, end), daemon=True) for act in acts]
    threads.append(threading.Thread(target=_ask_service, args=(lab, clients, address, seen, end), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        end.set()
        for thread in threads:
            thread.join(timeout=60)


@contextmanager
def asking(lab: Lab, address: str, client: str) -> Iterator[Count]:
    """Only the service is asked, from one machine, while the block runs."""
    seen, end = Seen(), threading.Event()
    thread = threading.Thread(target=_ask_service, args=(lab, [client], address, seen, end), daemon=True)
    thread.start()
    try:
        yield seen.service
    finally:
        end.set()
        thread.join(timeout=60)


def _repeat(act: Callable[[], None], end: threading.Event) -> None:
    while not end.wait(0.1):
        with suppress(httpx.HTTPError, OSError):
            act()


def _ask_api(lab: Lab, count: Count, ask: Callable[[httpx.Client, int], httpx.Response]) -> None:
    """One request, tried again as a client would, through the load balancer."""
    count.total += 1
    problem = ""
    for _ in range(TRIES):
        try:
            answer = ask(_client(lab), count.total)
            if answer.is_success:
                return
            problem = f"{answer.status_code} {answer.text[:100]}"
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__} {error}"
        count.failed.append(f"{time.strftime('%X')} {problem}")
        time.sleep(1)
    count.lost.append(problem)


def _read(client: httpx.Client, number: int) -> httpx.Response:
    del number
    return client.get("/api/v1/namespaces/default/services/kubernetes")


def _write(client: httpx.Client, number: int) -> httpx.Response:
    """Done twice it is the same: an answer that was lost may have been a success."""
    path = "/api/v1/namespaces/default/configmaps/observer?fieldManager=observer&force=true"
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "observer"},
        "data": {"number": str(number)},
    }
    return client.patch(path, content=json.dumps(body), headers={"Content-Type": "application/apply-patch+yaml"})


_clients = threading.local()


def _client(lab: Lab) -> httpx.Client:
    """A thread's own, as the administrator, with a connection that lives as long as it can."""
    if getattr(_clients, "of", None) is not lab:
        _clients.of, _clients.client = lab, lab.api_client()
    client: httpx.Client = _clients.client
    return client


def _count_members(lab: Lab, seen: Seen) -> None:
    folder = lab.folder / "etcd-client"
    tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    tls.load_cert_chain(folder / "client.crt", folder / "client.key")

    def ails(address: str) -> str:
        """For a whole second: when the leader changes, nobody leads for a moment, and all members say so."""
        end = time.monotonic() + 1
        while (why := asked(address)) and time.monotonic() < end:
            time.sleep(0.1)
        return why

    def asked(address: str) -> str:
        try:
            answer = httpx.get(f"https://{address}:2379/health", verify=tls, timeout=5, trust_env=False).text
        except httpx.HTTPError as error:
            return f"{type(error).__name__} {error}"
        return "" if answer.startswith('{"health":"true"') else answer

    with ThreadPoolExecutor(len(lab.control_planes)) as pool:  # in one moment
        found = list(pool.map(ails, [machine.address for machine in lab.control_planes]))
    if reasons := [f"{machine.name}: {why}" for machine, why in zip(lab.control_planes, found, strict=True) if why]:
        seen.ailing.append(f"{time.strftime('%X')} {'; '.join(reasons)}")
    seen.fewest_members = min(seen.fewest_members, len(found) - len(reasons))


def _watch_budget(lab: Lab, seen: Seen) -> None:
    answer = _client(lab).get("/apis/policy/v1/namespaces/default/poddisruptionbudgets/web")
    if answer.is_success:
        status = answer.json()["status"]
        if status["currentHealthy"] < status["desiredHealthy"]:
            seen.violations.append(f"{time.strftime('%X')} {status['currentHealthy']} of {status['desiredHealthy']}")


def _watch_cordons(lab: Lab, seen: Seen, began: float) -> None:
    answer = _client(lab).get("/api/v1/nodes")
    if answer.is_success:
        last = {name: cordoned for _, name, cordoned in seen.cordons}
        for node in answer.json()["items"]:
            name, cordoned = node["metadata"]["name"], bool(node["spec"].get("unschedulable"))
            if last.get(name, False) != cordoned:
                seen.cordons.append((time.monotonic() - began, name, cordoned))


def _ask_service(lab: Lab, clients: Sequence[str], address: str, seen: Seen, end: threading.Event) -> None:
    """From one machine after the other, a new connection for each request, in short loops that run there.

    A machine that is cordoned may go down any moment, and its requests with it: the next one is asked from then.
    """
    script = (
        f"for n in $(seq {LOOP}); do "
        f'curl --silent --fail --max-time 3 --output /dev/null http://{address}/ || echo "failed $(date +%X) $?"; '
        "sleep 0.05; done"
    )
    while not end.is_set():
        last = {name: cordoned for _, name, cordoned in seen.cordons}
        client = next((name for name in clients if not last.get(name, False)), clients[0])
        with suppress(LabError):
            failed = lab[client].run(script).splitlines()
            seen.service.total += LOOP
            seen.service.failed += failed
            seen.service.lost += failed
