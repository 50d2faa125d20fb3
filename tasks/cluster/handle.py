"""The handle of one cluster: its profile, and the clients that talk to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import cached_property

from tasks.clients.etcd import EtcdClient
from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.clients.objectstore import ObjectStore, StoreKeys
from tasks.clients.ssh import NodeShell, SshNode
from tasks.cluster.etcd_certificates import EtcdCertificates
from tasks.cluster.logins import Logins
from tasks.core import redaction
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.kubeadm import PARKED
from tasks.core.models.profile import ClusterProfile, EtcdEndpoint, EtcdOnNode, Route
from tasks.core.probes.kubeconfig import Kubeconfig, parse_kubeconfig
from tasks.core.secrets import read_public_file, resolve_secret
from tasks.core.shell import script

LOOK_LIMIT = timedelta(seconds=20)
"""For one node to say whether it is a control plane node: nobody waits longer for one that hangs."""


class Cluster:
    """The clients of one cluster. Secrets are resolved on first use and live here, in memory, and nowhere else."""

    def __init__(self, profile: ClusterProfile) -> None:
        self.profile = profile
        self._logins = Logins(profile)
        self._certificates = EtcdCertificates(profile, self.node)

    @cached_property
    def store(self) -> ObjectStore:
        """The bucket with this cluster's backups and reports."""
        store = self.profile.store
        if store.ca:
            read_public_file(store.ca, "store.ca")
        if store.access_key is None or store.secret_key is None:
            return ObjectStore(store, None)
        access_key = resolve_secret(store.access_key, "store.access_key").strip()
        secret_key = resolve_secret(store.secret_key, "store.secret_key").strip()
        return ObjectStore(store, StoreKeys(access_key, secret_key))

    @cached_property
    def kube(self) -> KubeClient:
        """The API: by the profile's kubeconfig, else by SSH to every control plane node's own server."""
        reference = self.profile.kubernetes.kubeconfig
        if reference:
            config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
            server = KubeServer("api", lambda: nullcontext(config.server), config.tls_server_name)
            return KubeClient([server], lambda: _user(config))
        return KubeClient([self._server_on(name) for name in self.control_planes], self._administrator)

    @cached_property
    def control_planes(self) -> tuple[str, ...]:
        """Nodes of the profile that have an API server's manifest, if only where a run that died has put it; `NotYet` when none can be asked."""
        told = self.who_is_control_plane()
        for answer in told.values():
            if isinstance(answer, Refused):
                raise answer
        found = tuple(name for name, has_one in told.items() if has_one is True)
        if not found:
            raise NotYet(
                f"none of {', '.join(told) or 'no nodes'} is a control plane node that can be reached",
                hint="check nodes: and ssh: of the profile, or give kubernetes.kubeconfig",
            )
        return found

    def who_is_control_plane(self) -> dict[str, bool | RunbookError]:
        """All nodes of the profile, asked now; the reason for one that does not answer."""
        question = script(__file__, "has_api_server", kubeadm=self.profile.kubeadm.folder, parked=PARKED)

        def has_one(name: str) -> bool | RunbookError:
            try:
                return self.node(name).run(question, timeout=LOOK_LIMIT, sudo=True, check=False).status == 0
            except RunbookError as error:
                return error

        names = [node.name for node in self.profile.nodes]
        return dict(zip(names, on_all(has_one, names), strict=True))

    def own_kube(self, control_planes: Sequence[str], limit: timedelta) -> KubeClient:
        """A client with connections of its own, for one task: by the profile's kubeconfig, and through SSH to these nodes' own servers.

        `limit` is for one request. Whoever asked for it closes it.
        """
        through_ssh = [self._server_on(name) for name in control_planes]
        reference = self.profile.kubernetes.kubeconfig
        if not reference:
            return KubeClient(through_ssh, lambda: self._administrator_of(control_planes), limit)
        config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
        server = KubeServer("api", lambda: nullcontext(config.server), config.tls_server_name)
        return KubeClient([server, *through_ssh], lambda: _user(config), limit)

    def node(self, name: str) -> SshNode:
        """The SSH connection to a node, opened on first use and kept."""
        return self._logins.node(name)

    def shell(self, name: str) -> NodeShell:
        """Root's shell on a node."""
        return NodeShell(self.node(name))

    @contextmanager
    def etcd(self, endpoint: EtcdEndpoint, route: Route, *, name: str = "") -> Iterator[EtcdClient]:
        """A client for one member by one of the routes, closed afterwards; errors call the member by its name if given."""
        if route is Route.DIRECT:
            target = endpoint.url.removeprefix("https://")
            with EtcdClient(target, self._certificates.own, member=name or endpoint.node or target) as client:
                yield client
            return
        if endpoint.node is None:
            raise Refused(f"etcd.endpoints: {endpoint.url} has no node", hint="name its node, or use the direct route")
        on_node = self.on_node(endpoint)
        with self.node(endpoint.node).tunnel(on_node.address, on_node.port) as socket:
            credentials = self._certificates.of_node(endpoint.node, on_node)
            with EtcdClient(
                f"unix:{socket}", credentials, member=name or endpoint.node, server_name=on_node.server_name
            ) as client:
                yield client

    def on_node(self, endpoint: EtcdEndpoint) -> EtcdOnNode:
        """Where the endpoint's node reaches the member, and with which certificate."""
        return endpoint.on_node or self.profile.etcd.on_node

    def check_certificate_on(self, endpoint: EtcdEndpoint) -> None:
        """`Refused` unless the endpoint's node has a client certificate for its member that can be read and is in date."""
        if endpoint.node is not None:
            self._certificates.of_node(endpoint.node, self.on_node(endpoint))

    def check_credentials(self, *, etcd: bool = True) -> None:
        """Resolves and judges what needs no network: keys are there, private, a pair with their certificate, in date.

        Those for `etcd` not where a runbook is there to find out what has ended.
        """
        _ = self.store
        if self.profile.etcd.client and etcd:
            _ = self._certificates.own
        if self.profile.ssh:
            self._logins.check()

    def close(self) -> None:
        """Ends all connections."""
        if kube := self.__dict__.pop("kube", None):
            kube.close()
        self.__dict__.pop("control_planes", None)
        self._logins.close()

    def _server_on(self, name: str) -> KubeServer:
        port = self.profile.kubernetes.port
        return KubeServer(name, lambda: self.node(name).tunnel("127.0.0.1", port), server_name="kubernetes")

    def _administrator(self) -> KubeUser:
        """As the first control plane node that can be asked has it in its admin.conf, read over SSH into memory."""
        return self._administrator_of(self.control_planes)

    def _administrator_of(self, names: Sequence[str]) -> KubeUser:
        path, problems = f"{self.profile.kubeadm.folder}/admin.conf", []
        for name in names:
            try:
                text = self.node(name).read_file(path, sudo=True).decode()
            except NotYet as error:
                problems.append(error.problem)
                continue
            redaction.remember_secret(text)
            return _user(parse_kubeconfig(text, f"{name}: {path}"))
        raise NotYet(f"no admin.conf can be read: {'; '.join(problems)}", hint="look at the control plane nodes")


def _user(config: Kubeconfig) -> KubeUser:
    key = config.key.get_secret_value()
    if key:
        redaction.remember_secret(key)
    return KubeUser(config.ca.encode(), config.certificate.encode(), key.encode(), config.token.get_secret_value())
