"""A lab: a real kubeadm cluster of systemd machines on this one, with all that a site has around it."""

import base64
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.lab import edits, images, kubeadm, packages, sources
from tests.lab.base import base
from tests.lab.cache import DIGEST_LENGTH, HERE, LABS, digest_of, remove_tree
from tests.lab.host import LabError, make_room, what_is_missing
from tests.lab.machine import BRIDGE, Machine, copy
from tests.lab.namespaces import Namespaces, finish
from tests.lab.odd import PATCHES
from tests.lab.services import Services
from tests.lab.shape import ALL_SERVICES, BUCKET, SERVICES, SERVICES6, Family, Role, Shape
from tests.servers.binaries import binaries
from tests.servers.pki import Authority
from tests.servers.processes import wait_until

LONG_AGO = "2000-01-01T00:00:00Z"
READY_LIMIT = 240.0
TABLE = "lab"
"""Of nftables, on the bridge: what does not get through."""


class Lab:
    """A context manager: its cluster is ready when the block begins, and nothing of it is left when the block ends."""

    def __init__(self, shape: Shape, *, folder: Path | None = None) -> None:
        self.shape = shape
        self.folder = folder or LABS / "labs" / shape.name
        self.namespaces = Namespaces(self.folder)
        self.services = Services(shape, self.folder, self.namespaces)
        self.machines = {place.name: Machine(shape, place, self.folder, self.namespaces) for place in shape.machines}
        self.times: dict[str, float] = {}
        """Seconds that each part of making it took."""

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    @classmethod
    def find(cls, name: str) -> Self:
        """The lab of that name as its folder has it; LabError when there is none."""
        path = LABS / "labs" / name / "shape.json"
        if not path.exists():
            raise LabError(f"there is no lab {name!r}; known are: {', '.join(known()) or 'none'}")
        return cls(Shape.from_json(path.read_text()))

    def of_role(self, *roles: Role) -> list[Machine]:
        """Machines, control planes first."""
        return [machine for machine in self.machines.values() if machine.place.role in roles]

    @property
    def control_planes(self) -> list[Machine]:
        """In the order of their numbers."""
        return self.of_role(Role.CONTROL_PLANE)

    @property
    def nodes(self) -> list[Machine]:
        """Machines that run a kubelet."""
        return self.of_role(Role.CONTROL_PLANE, Role.WORKER)

    # --- its life

    def up(self, *, lasting: bool = False) -> None:
        """A cluster: thawed where one of this shape was frozen, else made and frozen.

        It ends with this process, however that ends, unless it is `lasting`.
        """
        self._refuse_if_impossible()
        try:
            self._open(lasting=lasting)
            if not self.is_frozen:
                self._make()
                self.freeze()
            self.thaw()
        except BaseException:
            self.namespaces.close()
            raise

    def up_bare(self) -> None:
        """Machines and services only, without Kubernetes; ends with this process."""
        self._refuse_if_impossible()
        self._open(lasting=False)
        _write_key(self.folder)
        self._boot()

    def down(self) -> None:
        """Nothing of it is left: processes, mounts, network, files. Also after a crash of the lab itself."""
        self.namespaces.close()
        remove_tree(self.folder)

    def freeze(self) -> None:
        """Ends in an orderly power-off, and keeps the disks as they are then, for `thaw`."""
        with self._timed("freeze"):
            _all_at_once(Machine.stop, self.machines.values())
            unfinished = self._frozen.with_name(f"{self._frozen.name}.unfinished")
            remove_tree(unfinished)
            unfinished.mkdir(parents=True)
            for part in _KEPT:
                copy(self.folder / part, unfinished / part)
            for machine in self.machines.values():
                machine.freeze_disk(unfinished / "machines" / machine.name)
            for old in self._frozen.parent.glob(f"{self.shape.name}-{'?' * DIGEST_LENGTH}"):
                remove_tree(old)
            unfinished.rename(self._frozen)

    def thaw(self) -> None:
        """Back to the frozen state, whatever happened since: same certificates, same addresses."""
        with self._timed("thaw"):
            self.heal()
            for part in _KEPT:
                copy(self._frozen / part, self.folder / part)
            _all_at_once(
                lambda machine: machine.thaw_disk(self._frozen / "machines" / machine.name), self.machines.values()
            )
            self._start()

    @property
    def is_frozen(self) -> bool:
        """Is there a frozen state of this shape, made by this very code?"""
        return self._frozen.exists()

    def wait_until_ready(self, since: datetime | None = None, *, booted: bool = False) -> None:
        """Every node Ready by a heartbeat after `since`, every API server ready, every pod of kube-system running.

        Of machines that have just `booted`, no pod counts whose containers run since before: the API still says of
        them what it said when the machines stopped.
        """
        problem = "nothing was asked yet"

        def is_ready() -> bool:
            nonlocal problem
            problem = self._what_is_not_ready(since or datetime.now(UTC) - timedelta(seconds=40), booted=booted)
            return not problem

        try:
            wait_until(is_ready, READY_LIMIT, "the cluster is ready", every=0.5)
        except TimeoutError as error:
            raise LabError(f"{error}: {problem}") from error

    # --- from outside

    def kubectl(self, *arguments: str, text: str = "", limit: float = 60.0) -> str:
        """What kubectl prints, as the administrator, through the load balancer."""
        return self._kubectl(f"--kubeconfig={self.folder / 'admin.conf'}", *arguments, text=text, limit=limit)

    def api_client(self) -> httpx.Client:
        """Of the administrator, through the load balancer, with a connection of its own."""
        config = yaml.safe_load((self.folder / "admin.conf").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        pair = self.folder / "admin.pem"
        data = (base64.b64decode(user[f"client-{part}-data"]).decode() for part in ("certificate", "key"))
        _write_private(pair, "".join(data))
        tls.load_cert_chain(pair)
        return httpx.Client(base_url=cluster["server"], verify=tls, timeout=10, trust_env=False)

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """Objects: `lab.get("nodes")`."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *arguments, "--output=json"))["items"]
        return found

    def ssh_command(self, name: str, *command: str) -> list[str]:
        """The command line that logs in to a machine as `ops`, who may use sudo."""
        options = [f"-oUserKnownHostsFile={self.folder / 'known_hosts'}", "-oStrictHostKeyChecking=yes", "-q"]
        options += ["-i", str(self.folder / "id_ed25519"), "-oIdentitiesOnly=yes"]
        if self.shape.bastion and name != Role.BASTION:
            options.append(f"-oProxyCommand={' '.join(self.ssh_command('bastion'))} -W %h:%p")
        return ["ssh", *options, f"ops@{self.machines[name].address}", *command]

    @property
    def profile(self) -> dict[str, Any]:
        """The cluster's profile, so that any runbook can be run on it."""
        shape, store = self.shape, self.services.store
        members = shape.of_role(Role.ETCD) or shape.of_role(Role.CONTROL_PLANE)
        ssh: dict[str, Any] = {
            "user": "ops",
            "key": f"file:{self.folder / 'id_ed25519'}",
            "known_hosts": str(self.folder / "known_hosts"),
        }
        if shape.bastion:
            ssh["gateway"] = {"address": self.machines[Role.BASTION].address}
        on_node = {part: f"/etc/etcd/{file}" for part, file in _ETCD_FILES} if shape.external_etcd else {}
        client = self.folder / "etcd-client"
        return {
            "name": shape.name,
            "nodes": [
                {"name": each.name, "address": each.address} for each in shape.machines if each.name != "bastion"
            ],
            "ssh": ssh,
            "etcd": {
                "endpoints": [{"url": f"https://{each.url_host}:2379", "node": each.name} for each in members],
                "on_node": on_node,
                "client": {
                    "ca": f"file:{client / 'ca.crt'}",
                    "certificate": f"file:{client / 'client.crt'}",
                    "key": f"file:{client / 'client.key'}",
                },
            },
            "store": {
                "bucket": BUCKET,
                "endpoint": store["endpoint"],
                "access_key": f"file:{self.folder / 'access-key'}",
                "secret_key": f"file:{self.folder / 'secret-key'}",
            },
            "upgrade": {"ignore_preflight_errors": [kubeadm.IGNORED]} | ({"patches": PATCHES} if shape.patches else {}),
        }

    # --- faults

    @contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """No packet passes between two machines; `gateway` is the load balancer, the mirrors and the store."""
        self.separate(one, other)
        try:
            yield
        finally:
            self.heal()

    def separate(self, one: str, other: str) -> None:
        """As `cut`, until `heal`."""
        ends = [self._addresses(one), self._addresses(other)]
        for source, target in (ends, ends[::-1]):
            for chain, family in product(("cuts-forward", "cuts-local", "cuts-out"), source):
                rule = [family, "saddr", source[family], family, "daddr", target[family], "drop"]
                self.namespaces.run("nft", "add", "rule", "bridge", TABLE, chain, *rule)

    def heal(self) -> None:
        """Every cut is mended, every mirror works."""
        for chain in ("cuts-forward", "cuts-local", "cuts-out"):
            self.namespaces.run("nft", "flush", "chain", "bridge", TABLE, chain)
        self.services.repair()

    # --- inside

    def _open(self, *, lasting: bool) -> None:
        """Namespaces with a network and the services in them; no machine yet."""
        self.down()
        self.folder.mkdir(parents=True, mode=0o700)
        (self.folder / "shape.json").write_text(self.shape.to_json())
        with self._timed("base"):
            base()
        self.namespaces.open(lasting=lasting)
        self._connect_network()
        with self._timed("services"):
            self.services.start()

    def _refuse_if_impossible(self) -> None:
        if missing := what_is_missing():
            raise LabError("\n".join(["a lab cannot be started here:", *(f"- {line}" for line in missing)]))
        if self.namespaces.pid:
            raise LabError(f"lab {self.shape.name!r} runs already; `make lab-down NAME={self.shape.name}` ends it")
        make_room()

    def _make(self) -> None:
        began = time.monotonic()
        with self._timed("images and packages"):
            images.load(self._images, self.services.registry)
            packages.publish(self.shape.kubernetes, signed=self.shape.legacy_apt_key)
        _write_key(self.folder)
        self._boot()
        self._write_known_hosts()
        with self._timed("packages"):
            _all_at_once(sources.write, self.nodes)
            _all_at_once(kubeadm.install_packages, self.nodes)
        first, *others = self.control_planes
        authority = self._external_etcd()
        with self._timed("kubeadm init"):
            kubeadm.init(first, authority)
        self._keep_credentials(first, authority)
        digest = kubeadm.ca_hash(first)
        for machine in others:
            with self._timed(f"join {machine.name}"):
                kubeadm.join(machine, digest)
        with self._timed("join workers"):
            _all_at_once(lambda machine: kubeadm.join(machine, digest), self.of_role(Role.WORKER))
        with self._timed("ready"):
            self.wait_until_ready()
        if edited := edits.edit(self.shape, self.nodes, self.kubectl):
            with self._timed(edited):
                self.wait_until_ready(datetime.now(UTC))
        self.times["all of a new cluster"] = time.monotonic() - began

    def _boot(self) -> None:
        with self._timed("machines"):
            for machine in self.machines.values():
                machine.create()
                if machine.place.role is Role.ETCD:
                    kubeadm.put_etcd(machine)
                machine.start()
            _all_at_once(Machine.wait_until_up, self.machines.values())

    def _start(self) -> None:
        began = datetime.now(UTC)
        for machine in self.machines.values():
            machine.start()
        _all_at_once(Machine.wait_until_up, self.machines.values())
        self.wait_until_ready(began, booted=True)

    @property
    def _images(self) -> Sequence[str]:
        names = [*images.names_for(self.shape.kubernetes), images.WORKLOAD]
        return [*names, images.etcd_image(self.shape.etcd)] if self.shape.etcd else names

    @property
    def _frozen(self) -> Path:
        made_by = [HERE / name for name in ("machine.py", "machine.sh", "kubeadm.py", "images.py", "packages.py")]
        made_by += [HERE / name for name in ("odd.py", "edits.py", "sources.py", "sudo_rs.py", "updates.py")]
        return LABS / "frozen" / f"{self.shape.name}-{digest_of(*made_by, also=self.shape.to_json() + base().name)}"

    def _connect_network(self) -> None:
        """A bridge for the machines, and a cable from it to this machine."""
        run, cable = self.namespaces.run, self.shape.cable
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        for address in self.shape.gateways.values():
            run("ip", "address", "add", *_on_link(address), "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        # A router, so that it can refuse (see the firewall) and reach pods with that answer.
        run("sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for family in self.shape.families:
            run("ip", "route", "add", ALL_SERVICES[family], "dev", BRIDGE)
            for place in self.shape.machines:
                run("ip", "route", "add", place.pods[family], "via", place.addresses[family])
        with suppress(LabError):
            finish(["ip", "link", "delete", cable])
        pid = str(self.namespaces.pid)
        finish(["ip", "link", "add", cable, "type", "veth", "peer", "name", "host", "netns", pid])
        for address in self.shape.hosts.values():
            finish(["ip", "address", "add", *_on_link(address), "dev", cable])
        finish(["ip", "link", "set", cable, "up"])
        run("ip", "link", "set", "host", "master", BRIDGE, "up")
        self.namespaces.run("nft", "-f", "-", text=self._firewall())

    def _firewall(self) -> str:
        """Chains for cuts; and where there is a bastion, the worker opens no connection to any other machine.

        A service address that kube-proxy has not set up yet comes to the gateway. It refuses: silence costs the dialler
        30 s, which is how long CoreDNS would take to start.
        """
        guard = ""
        if self.shape.bastion:
            bastion = self.machines[Role.BASTION].address
            guard = f"ip saddr {self.shape.host} ip daddr != {bastion} tcp flags & (syn | ack) == syn drop"
        return f"""
            table inet {TABLE} {{
              chain forward {{ type filter hook forward priority 0;
                ip daddr {SERVICES} meta l4proto tcp reject with tcp reset;
                ip6 daddr {SERVICES6} meta l4proto tcp reject with tcp reset; }}
            }}
            table bridge {TABLE} {{
              chain cuts-forward {{ }}
              chain cuts-local {{ }}
              chain cuts-out {{ }}
              chain forward {{ type filter hook forward priority 0; {guard}
                jump cuts-forward; }}
              chain local {{ type filter hook input priority 0; jump cuts-local; }}
              chain out {{ type filter hook output priority 0; jump cuts-out; }}
            }}
        """

    def _external_etcd(self) -> Authority | None:
        members = self.of_role(Role.ETCD)
        if not members:
            return None
        with self._timed("external etcd"):
            return kubeadm.external_etcd(members, self.folder / "etcd-pki")

    def _keep_credentials(self, first: Machine, authority: Authority | None) -> None:
        """What a person or a worker needs to reach the cluster."""
        folder = self.folder / "etcd-client"
        ca, pair = kubeadm.client_of_members(first, authority, folder)
        (folder / "ca.crt").write_text(ca)
        for name, source in (("client.crt", pair.certificate), ("client.key", pair.key)):
            _write_private(folder / name, source.read_text())
        _write_private(self.folder / "admin.conf", first.read("/etc/kubernetes/admin.conf"))

    def offer(self, kubernetes: str) -> None:
        """Packages and images of another version, for an upgrade."""
        with self._timed(f"offer {kubernetes}"):
            images.load(images.names_for(kubernetes), self.services.registry)
            packages.publish(kubernetes, signed=self.shape.legacy_apt_key)

    def write_profile(self) -> Path:
        """The profile and what it refers to, in files; returns the folder for KUBE_RUNBOOKS_CLUSTERS."""
        store, clusters = self.services.store, self.folder / "clusters"
        _write_private(self.folder / "access-key", store["access_key"])
        _write_private(self.folder / "secret-key", store["secret_key"])
        clusters.mkdir(exist_ok=True)
        (clusters / f"{self.shape.name}.yaml").write_text(yaml.safe_dump(self.profile, sort_keys=False))
        return clusters

    def _write_known_hosts(self) -> None:
        lines = []
        for machine in self.machines.values():
            key = (machine.folder / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().strip()
            lines.append(f"{','.join(machine.place.addresses.values())},{machine.name} {key}\n")
        (self.folder / "known_hosts").write_text("".join(lines))

    def _what_is_not_ready(self, since: datetime, *, booted: bool) -> str:
        try:
            for machine in self.control_planes:
                self._ask_for_readiness(machine)
            leases = {
                lease["metadata"]["name"]: lease["spec"].get("renewTime", LONG_AGO)
                for lease in [*self.get("leases", "-n=kube-node-lease"), *self.get("leases", "-n=kube-system")]
            }
            nodes = {node["metadata"]["name"]: _is_ready(node) for node in self.get("nodes")}
            pods = self.get("pods", "--namespace=kube-system")
        except LabError as error:
            return str(error)
        for machine in self.nodes:
            if not nodes.get(machine.name):
                return f"node {machine.name} is not Ready"
            if datetime.fromisoformat(leases.get(machine.name, LONG_AGO)) < since:
                return f"node {machine.name} has sent no heartbeat since {since}"
        for leader in ("kube-controller-manager", "kube-scheduler"):
            if booted and datetime.fromisoformat(leases.get(leader, LONG_AGO)) < since:
                return f"nobody leads the {leader}"
        waiting = [
            pod["metadata"]["name"]
            for pod in pods
            if not _is_ready(pod) or (booted and _runs_since(pod) < since.replace(microsecond=0))
        ]
        return f"pods are not ready: {', '.join(waiting)}" if waiting else ""

    def _ask_for_readiness(self, machine: Machine) -> None:
        server = f"--server=https://{machine.place.url_host}:6443"
        if self.shape.bastion:
            machine.run(f"kubectl --kubeconfig=/etc/kubernetes/admin.conf {server} get --raw=/readyz", limit=20.0)
        else:
            self.kubectl(server, "get", "--raw=/readyz", limit=20.0)

    def _kubectl(self, *arguments: str, text: str, limit: float) -> str:
        program = binaries("kube", self.shape.kubernetes) / "kubectl"
        environment = {"HOME": str(self.folder), "PATH": os.defpath}
        command: list[str | Path] = [program, *arguments]
        if self.shape.bastion:
            command = [*self.namespaces.enter(*command)]
            environment = dict(os.environ)
        return finish(command, text=text, limit=limit, env=environment)

    def _addresses(self, name: str) -> dict[Family, str]:
        given = {"gateway": self.shape.gateways, "host": self.shape.hosts}
        return given.get(name) or self.machines[name].place.addresses

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.times[what] = time.monotonic() - began


_KEPT = ("etcd-client", "admin.conf", "known_hosts", "id_ed25519", "id_ed25519.pub")
_ETCD_FILES = (("ca", "ca.crt"), ("certificate", "server.crt"), ("key", "server.key"))


def known() -> list[str]:
    """Names of the labs that have a folder."""
    return sorted(path.parent.name for path in (LABS / "labs").glob("*/shape.json"))


def _on_link(address: str) -> list[str]:
    """An address with its network, ready at once: no other machine is asked whether it has it."""
    return [f"{address}/64", "nodad"] if ":" in address else [f"{address}/24"]


def _all_at_once(act: Callable[[Machine], object], machines: Iterable[Machine]) -> None:
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(act, machines))


def _is_ready(thing: dict[str, Any]) -> bool:
    """A node or a pod; a pod that has done its work is as good."""
    if thing.get("status", {}).get("phase") == "Succeeded":
        return True
    conditions = thing.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _runs_since(pod: dict[str, Any]) -> datetime:
    """When the container began that has run longest. A pod that is ready without one has done its work."""
    states = [one["state"] for one in pod["status"].get("containerStatuses", [])]
    began = [datetime.fromisoformat(state["running"]["startedAt"]) for state in states if "running" in state]
    return min(began, default=datetime.max.replace(tzinfo=UTC))


def _write_key(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write_private(folder / "id_ed25519", private.decode())
    (folder / "id_ed25519.pub").write_text(f"{public.decode()} {socket.gethostname()}\n")


def _write_private(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    path.touch(mode=0o600)
    path.write_text(text)
