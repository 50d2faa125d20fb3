"""Processes in network namespaces of their own, as pods are; and a kubelet that runs pods so, as root and without containers."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Self
from uuid import uuid4

import httpx

from tasks.network_policy.policy.canary import OURS, PORT
from tests.facts.networks import Object, pod
from tests.servers.kubernetes import Api, ControlPlane

SERVE = "import socket, time; one = socket.create_server(('0.0.0.0', PORT)); print(one.getsockname()[1], flush=True); time.sleep(600)"
DROP = (
    "add table ip wall",
    "add chain ip wall in { type filter hook input priority 0; }",
    "add rule ip wall in FROM tcp dport PORT drop",
)


class Walled:
    """A process as the kubelet starts it, in a network of its own, where it listens; if not told on which port, the kernel chooses."""

    def __init__(self, folder: Path, name: str = "web", *, uid: str = "", port: int = 0) -> None:
        self.uid = uid or str(uuid4())
        self.name = name
        mounted = folder / "pods" / self.uid / "containers" / "web" / "log"
        mounted.parent.mkdir(parents=True)
        mounted.touch()
        within = f'ip link set lo up && mount --bind {mounted} /dev/null && exec {sys.executable} -c "{SERVE.replace("PORT", str(port))}"'
        words = ["unshare", "--net", "--mount", "sh", "-c", within]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.stdout = self.process.stdout
        self.port = int(self.stdout.readline())

    def inside(self, *words: str) -> None:
        """In its network."""
        subprocess.run(["nsenter", "--net", "--target", str(self.process.pid), *words], check=True)

    def drop(self, source: str = "") -> None:
        """What comes in, as an agent does that enforces a policy."""
        for rule in DROP:
            self.inside("nft", rule.replace("PORT", str(self.port)).replace("FROM", source))

    def join(self, other: "Walled", *, own: str, others: str) -> None:
        """A link to another one, with an address at each end."""
        ends = (self, own, other.name, others), (other, others, self.name, own)
        pids = [str(one.process.pid) for one, *_ in ends]
        words = ["ip", "link", "add", other.name, "netns", pids[0], "type", "veth", "peer", "name", self.name]
        subprocess.run([*words, "netns", pids[1]], check=True)
        for one, address, link, far in ends:
            one.inside("ip", "address", "replace", f"{address}/32", "dev", "lo")
            one.inside("ip", "link", "set", link, "up")
            one.inside("ip", "route", "add", far, "dev", link, "src", address)

    def pod(self, ip: str, node: str = "w1") -> Object:
        """As the API has it."""
        made = pod(self.name, ip=ip, node=node)
        made["metadata"]["uid"] = self.uid
        return made

    def stop(self) -> None:
        """Its namespaces are gone with it."""
        self.process.kill()
        self.process.wait()
        self.stdout.close()


class PodNetwork:
    """A context manager: pods of canaries that hollow nodes run get a network; with an agent or without.

    All pods reach each other, and this computer reaches them. An agent drops what pods send to a pod of a namespace with a
    NetworkPolicy. It forgets that with the policy, unless it `is_stuck`.
    """

    HOST = "10.99.77.1"

    def __init__(self, cluster: ControlPlane, folder: Path, *, agent: bool, is_stuck: bool = False) -> None:
        self._api = Api(cluster.url, cluster.ca, cluster.admin)
        self._folder, self._agent, self._is_stuck = folder, agent, is_stuck
        self._pods: dict[str, tuple[Walled, str]] = {}
        self._walls: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pod-network", daemon=True)
        self.failed = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for one, _address in self._pods.values():
            one.stop()
        self._api.close()
        assert not self.failed

    def _work(self) -> None:
        try:
            while not self._end.wait(0.1):
                self._look()
        except (httpx.HTTPError, subprocess.SubprocessError, OSError) as error:
            self.failed = repr(error)

    def _look(self) -> None:
        found = self._api.get("/api/v1/pods", labelSelector=OURS)["items"]
        running = {one["metadata"]["uid"]: one for one in found if one["status"].get("podIP")}
        for gone in self._pods.keys() - running.keys():
            self._pods.pop(gone)[0].stop()
        for new in running.keys() - self._pods.keys():
            self._add(new, running[new]["status"]["podIP"])
        policies = self._api.get("/apis/networking.k8s.io/v1/networkpolicies")["items"]
        walled = {one["metadata"]["namespace"] for one in policies} if self._agent else set()
        for uid, told in running.items():
            is_walled, (process, _) = told["metadata"]["namespace"] in walled, self._pods[uid]
            if is_walled and uid not in self._walls:
                process.drop(f"ip saddr != {self.HOST}")
                self._walls.add(uid)
            elif not is_walled and uid in self._walls and not self._is_stuck:
                process.inside("nft", "delete", "table", "ip", "wall")
                self._walls.remove(uid)

    def _add(self, uid: str, address: str) -> None:
        made = Walled(self._folder, f"p{uid[:8]}", uid=uid, port=PORT)
        link = f"h{uid[:8]}"
        words = ["ip", "link", "add", link, "type", "veth", "peer", "name", "host", "netns", str(made.process.pid)]
        for command in (
            words,
            ["ip", "link", "set", link, "up"],
            ["ip", "address", "add", f"{self.HOST}/32", "dev", link],
        ):
            subprocess.run(command, check=True)
        subprocess.run(["ip", "route", "add", address, "dev", link, "src", self.HOST], check=True)
        made.inside("ip", "address", "replace", f"{address}/32", "dev", "lo")
        made.inside("ip", "link", "set", "host", "up")
        made.inside("ip", "route", "add", self.HOST, "dev", "host", "src", address)
        for other, far in self._pods.values():
            made.join(other, own=address, others=far)
        self._pods[uid] = made, address
