"""What a cluster has around it: a load balancer, a container registry, a package repository and an S3 store."""

import json
import sys
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import httpx

from tests.lab import images, packages
from tests.lab.host import LabError
from tests.lab.namespaces import Namespaces
from tests.lab.shape import Role, Shape, in_url
from tests.servers.binaries import ROOT

LOAD_BALANCER, REGISTRY, PACKAGES = 6443, 5000, 8080
BEHIND = 10_000
"""Added to the port of a service for that of the program behind the proxy."""

START_LIMIT = 180.0


class Mirror(StrEnum):
    """What machines download from, and what can be made to fail."""

    REGISTRY = "registry"
    PACKAGES = "packages"


class Fault(StrEnum):
    """How a mirror fails."""

    ERROR = "http-request return status 500"
    HANG = "http-request tarpit"


class Services:
    """They run on the gateway's address, inside the lab's namespaces, and end with them."""

    def __init__(self, shape: Shape, folder: Path, namespaces: Namespaces) -> None:
        self.shape = shape
        self.folder = folder / "services"
        self.namespaces = namespaces
        self._faults: dict[Mirror, Fault] = {}

    @property
    def registry(self) -> str:
        """`host:port`."""
        return f"{self.shape.gateway}:{REGISTRY}"

    def start(self) -> None:
        """All of them; they answer when this returns."""
        self.folder.mkdir(exist_ok=True)
        images.storage().mkdir(parents=True, exist_ok=True)
        packages.repository().mkdir(parents=True, exist_ok=True)
        registry = self._write("registry.yml", _REGISTRY.format(folder=images.storage(), port=REGISTRY + BEHIND))
        self._start("docker-registry", "serve", registry)
        behind = str(PACKAGES + BEHIND)
        server = [sys.executable, "-m", "http.server", "--bind=127.0.0.1", behind, "-d", str(packages.repository())]
        self._start(*server, name="packages")
        self._start(sys.executable, "-m", "tests.lab.store", str(self.folder / "store"), self.shape.gateway)
        self._write("balancer.cfg", _DEFAULTS + _balancer(self.shape))
        self._start("haproxy", "-W", "-db", "-f", str(self.folder / "balancer.cfg"), name="balancer")
        self._write("mirrors.cfg", self._mirrors())
        self._start("haproxy", "-W", "-db", "-f", str(self.folder / "mirrors.cfg"), name="mirrors")
        self._wait(f"http://{self.registry}/v2/")
        self._wait(f"http://{self.shape.gateway}:{PACKAGES}/")

    def fail(self, mirror: Mirror, fault: Fault) -> None:
        """From now on."""
        self._faults[mirror] = fault
        self._reload()

    def repair(self) -> None:
        """Every mirror works again."""
        self._faults.clear()
        self._reload()

    @property
    def store(self) -> dict[str, str]:
        """Endpoint, access_key and secret_key of the S3 store; waits for its start."""
        path = self.folder / "store" / "store.json"
        deadline = time.monotonic() + START_LIMIT
        while not path.exists():
            if time.monotonic() > deadline:
                raise LabError(f"the S3 store does not start: {(self.folder / 'tests.lab.store.log').read_text()}")
            time.sleep(0.1)
        told: dict[str, str] = json.loads(path.read_text())
        return told

    def _mirrors(self) -> str:
        return _DEFAULTS + "".join(
            _MIRROR.format(
                name=mirror,
                gateway=self.shape.gateway,
                port=port,
                behind=port + BEHIND,
                fault=self._faults.get(mirror, ""),
            )
            for mirror, port in ((Mirror.REGISTRY, REGISTRY), (Mirror.PACKAGES, PACKAGES))
        )

    def _reload(self) -> None:
        """A new process takes over; the old one goes at once, for `hang` means that connections hang."""
        path = self._write("mirrors.cfg", self._mirrors())
        self.namespaces.run("pkill", "-KILL", "-f", f"haproxy .*{path}")
        self._start("haproxy", "-W", "-db", "-f", path, name="mirrors")
        for port in (REGISTRY, PACKAGES):
            listens = f"until ss -ltnH 'sport = :{port}' | grep -q .; do sleep 0.05; done"
            self.namespaces.run("timeout", str(int(START_LIMIT)), "sh", "-c", listens)

    def _write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _start(self, *command: str, name: str = "") -> None:
        log = self.folder / f"{name or command[-2] if command[-2] != 'serve' else name or command[0]}.log"
        self.namespaces.start(command, log, env={"PYTHONPATH": str(ROOT)})

    def _wait(self, address: str) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if httpx.get(address, timeout=2, trust_env=False).is_success:
                    return
            time.sleep(0.1)
        logs = {path.name: path.read_text()[-300:] for path in self.folder.glob("*.log")}
        raise LabError(f"{address} does not answer: {logs}")


_REGISTRY = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
_DEFAULTS = """\
defaults
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  timeout tarpit 1h
"""
_MIRROR = """\
listen {name}
  mode http
  bind {gateway}:{port}
  {fault}
  server behind 127.0.0.1:{behind}
"""


def _balancer(shape: Shape) -> str:
    """A server is out as soon as its /readyz fails, and its connections end then."""
    servers = [f"  server {place.name} {place.url_host}:6443" for place in shape.of_role(Role.CONTROL_PLANE)]
    head = [
        "listen api",
        "  mode tcp",
        *(f"  bind {in_url(address)}:{LOAD_BALANCER}" for address in shape.gateways.values()),
        "  option httpchk GET /readyz",
        "  default-server check check-ssl verify none inter 1s fall 2 rise 1 on-marked-down shutdown-sessions",
    ]
    return "\n".join([*head, *servers, ""])
