"""Contains the handle of one cluster: its profile, and the clients that talk to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import cached_property

from tasks.clients.etcd import EtcdClient
from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.clients.objectstore import ObjectStore, StoreKeys
from tasks.clients.ssh import NodeShell, SshNode, Tunnel
from tasks.cluster.etcd_certificates import EtcdCertificates
from tasks.cluster.logins import Logins
from tasks.cluster.shapes import Shapes
from tasks.core import redaction
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.kubeadm import API_SERVER
from tasks.core.models.profile import ClusterProfile, EtcdEndpoint, EtcdOnNode, Route
from tasks.core.models.shape import ClusterShape, NodeShape
from tasks.core.probes.kubeconfig import Kubeconfig, parse_kubeconfig
from tasks.core.probes.own_certificate import what_is_wrong_with
from tasks.core.secrets import read_public_file, resolve_secret


class Cluster:
    """Holds the clients of one cluster.

    Secrets are resolved on first use. They exist only here, in memory.
    """

    def __init__(self, profile: ClusterProfile) -> None:
        self.profile = profile
        self._logins = Logins(profile)
        self._certificates = EtcdCertificates(profile, self.node)
        self._shapes = Shapes(profile, self.node, lambda: self.kube)

    @cached_property
    def store(self) -> ObjectStore:
        """Returns the bucket with this cluster's backups and reports."""
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
        """Returns the client of the API.

        It uses the profile's kubeconfig, or else SSH to the API server of every control plane node.
        """
        reference = self.profile.kubernetes.kubeconfig
        if reference:
            config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
            server = KubeServer("api", lambda: nullcontext(config.server), config.tls_server_name)
            return KubeClient([server], lambda: _user(config))
        return KubeClient([self._server_on(name) for name in self.control_planes], self._administrator)

    @cached_property
    def control_planes(self) -> tuple[str, ...]:
        """Lists the nodes of the profile that have a manifest of kube-apiserver.

        A manifest that an interrupted run moved away also counts. It raises `NotYet` if no control plane node can be
        reached, and `Refused` if a node refuses the query.
        """
        told = self.who_is_control_plane()
        for answer in told.values():
            if isinstance(answer, Refused):
                raise answer
        found = tuple(name for name, has_one in told.items() if has_one is True)
        if not found:
            raise NotYet(
                f"none of {', '.join(told)} is a control plane node that can be reached"
                if told
                else "the profile names no nodes",
                hint="check nodes: and ssh: of the profile, or give kubernetes.kubeconfig",
            )
        return found

    def who_is_control_plane(self) -> dict[str, bool | RunbookError]:
        """Queries all nodes of the profile now.

        The result is True for each control plane node, False for the others, or the reason why a node did not answer.
        """

        def has_one(name: str) -> bool | RunbookError:
            try:
                return _is_control_plane(name, self._shapes.of_node(name, again=True))
            except RunbookError as error:
                return error

        names = [node.name for node in self.profile.nodes]
        return dict(zip(names, on_all(has_one, names), strict=True))

    def shape(self, name: str, *, again: bool = False) -> NodeShape:
        """Returns where a node keeps what runbooks read and change, observed once a run.

        It raises `NotYet` or `Refused` if the node does not answer. Callers that changed the node set `again` to
        observe it once more.
        """
        return self._shapes.of_node(name, again=again)

    def cluster_shape(self) -> ClusterShape:
        """Returns what applies to the whole cluster, observed once a run through the API.

        It raises `NotYet` if the API does not answer.
        """
        return self._shapes.of_cluster()

    @property
    def known_shapes(self) -> tuple[dict[str, NodeShape], ClusterShape | None]:
        """Returns what the run has observed so far, by node and for the whole cluster."""
        return self._shapes.known

    def forget_shapes(self) -> None:
        """Discards what an earlier run of this process observed; a run calls it when it starts."""
        self._shapes.forget()

    def own_kube(self, control_planes: Sequence[str], limit: timedelta) -> KubeClient:
        """Returns a client with its own connections, for one task.

        It uses the profile's kubeconfig, and SSH to the API servers of these nodes. `limit` applies to one request. The
        caller closes the client.
        """
        through_ssh = [self._server_on(name) for name in control_planes]
        reference = self.profile.kubernetes.kubeconfig
        if not reference:
            return KubeClient(through_ssh, lambda: self._administrator_of(control_planes), limit)
        config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
        server = KubeServer("api", lambda: nullcontext(config.server), config.tls_server_name)
        return KubeClient([server, *through_ssh], lambda: _user(config), limit)

    def kube_on(self, name: str, limit: timedelta) -> KubeClient:
        """Returns a client of only this control plane node's own API server, through SSH.

        The caller closes the client.
        """
        reference = self.profile.kubernetes.kubeconfig
        if not reference:
            return KubeClient([self._server_on(name)], lambda: self._administrator_of([name]), limit)
        config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
        return KubeClient([self._server_on(name)], lambda: _user(config), limit)

    def kube_as(self, server: str, user: KubeUser, limit: timedelta) -> KubeClient:
        """Returns a client of another user, at the URL that the user's kubeconfig has.

        If the worker reaches the API through SSH alone, it also tries the control plane nodes. The caller closes the
        client.
        """
        named = KubeServer(server, lambda: nullcontext(server))
        if self.profile.kubernetes.kubeconfig:
            return KubeClient([named], lambda: user, limit)
        return KubeClient([named, *map(self._server_on, self.control_planes)], lambda: user, limit)

    def node(self, name: str) -> SshNode:
        """Returns the SSH connection to a node, which is opened on first use and stays open."""
        return self._logins.node(name)

    def shell(self, name: str) -> NodeShell:
        """Returns a root shell on a node."""
        return NodeShell(self.node(name))

    @contextmanager
    def etcd(self, endpoint: EtcdEndpoint, route: Route, *, name: str = "") -> Iterator[EtcdClient]:
        """Opens a client for one member by the given route, and closes it afterwards.

        Errors refer to the member by `name` if it is given.
        """
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
        """Returns the address at which the endpoint's node reaches the member, and the certificate it uses."""
        if endpoint.on_node is None:
            raise Refused(
                f"{endpoint.node}: where it reaches its member of etcd, and with which certificate, is not known",
                hint="give etcd.on_node of the profile: address, port, ca, certificate and key",
            )
        return endpoint.on_node

    def check_certificate_on(self, endpoint: EtcdEndpoint) -> None:
        """Raises `Refused` unless the endpoint's node has a readable and valid client certificate for its member."""
        if endpoint.node is not None:
            self._certificates.of_node(endpoint.node, self.on_node(endpoint))

    def check_credentials(self, *, etcd: bool = True) -> None:
        """Resolves and checks everything that needs no network.

        Keys must exist, be private and match their certificate. Certificates must be valid now. A runbook that finds
        out which certificates expired skips those for `etcd`.
        """
        _ = self.store
        if etcd:
            self.check_etcd_client()
        self.check_login()

    def check_etcd_client(self) -> None:
        """The worker's own certificate for etcd alone, where the profile has one."""
        if self.profile.etcd.client:
            _ = self._certificates.own

    def check_login(self) -> None:
        """The key and known_hosts of SSH alone, where the profile has it."""
        if self.profile.ssh:
            self._logins.check()

    def close(self) -> None:
        """Closes all connections."""
        if kube := self.__dict__.pop("kube", None):
            kube.close()
        self.__dict__.pop("control_planes", None)
        self._logins.close()

    def _server_on(self, name: str) -> KubeServer:
        return KubeServer(name, lambda: self._tunnel_to_api(name), server_name="kubernetes")

    def _tunnel_to_api(self, name: str) -> Tunnel:
        """Opens a tunnel to the node's own API server.

        The address comes from its manifest. The port does too, unless the profile names one.
        """
        found, port = self.shape(name).api_server, self.profile.kubernetes.port
        if found is None:
            problems = "; ".join(self.shape(name).problems) or "it has no manifest of kube-apiserver"
            raise NotYet(f"{name}: where its API server listens is not known: {problems}")
        return self.node(name).tunnel(found.host, port or found.port)

    def _administrator(self) -> KubeUser:
        """Returns the administrator from the admin.conf of the first control plane node that answers.

        It reads that file over SSH into memory.
        """
        return self._administrator_of(self.control_planes)

    def what_is_wrong_with_administrator(self, names: Sequence[str]) -> str:
        """Returns why the API would reject `own_kube`, judged by its certificate; empty if nothing is wrong."""
        try:
            reference = self.profile.kubernetes.kubeconfig
            if reference:
                text = resolve_secret(reference, "kubernetes.kubeconfig")
                where, config = "kubernetes.kubeconfig", parse_kubeconfig(text, "kubernetes.kubeconfig")
            else:
                where, config = self._kubeconfig_of_administrator(names)
        except RunbookError as error:
            return error.problem
        wrong = _what_is_wrong(config)
        return f"{where}: {wrong}" if wrong else ""

    def _administrator_of(self, names: Sequence[str]) -> KubeUser:
        return _user(self._kubeconfig_of_administrator(names)[1])

    def _kubeconfig_of_administrator(self, names: Sequence[str]) -> tuple[str, Kubeconfig]:
        """Returns the first kubeconfig with a valid certificate, and where it is.

        On each node it tries admin.conf before super-admin.conf. If no certificate is valid, it returns the first
        kubeconfig found.
        """
        found: list[tuple[str, Kubeconfig]] = []
        errors: list[RunbookError] = []
        for name in names:
            for file in ("admin.conf", "super-admin.conf"):
                where = f"{name}: {self.profile.kubeadm.folder}/{file}"
                try:
                    text = self.node(name).read_file(f"{self.profile.kubeadm.folder}/{file}", sudo=True)
                    redaction.remember_secret(text.decode(errors="replace"))
                    config = parse_kubeconfig(text.decode(errors="replace"), where)
                except RunbookError as error:  # it may be away there, or of no use, and on the next one not
                    if file == "admin.conf":
                        errors.append(error)
                    if isinstance(error, NotYet):
                        break
                    continue
                if not _what_is_wrong(config):
                    return where, config
                found.append((where, config))
        if found:
            return found[0]
        kind = Refused if errors and all(isinstance(error, Refused) for error in errors) else NotYet
        problems = "; ".join(error.problem for error in errors) or "no control plane node is known"
        raise kind(f"no admin.conf can be used: {problems}", hint="repair it there, or give kubernetes.kubeconfig")


def _is_control_plane(name: str, shape: NodeShape) -> bool:
    """Checks whether the node is a control plane node.

    It raises `NotYet` if the API server's manifest could not be parsed: such a node is no worker node.
    """
    if not shape.is_control_plane and (told := next((one for one in shape.problems if API_SERVER in one), "")):
        raise NotYet(
            f"{name}: whether it is a control plane node is not known: {told}", hint="correct that manifest there"
        )
    return shape.is_control_plane


def _what_is_wrong(config: Kubeconfig) -> str:
    """Returns what is wrong with the certificate of the kubeconfig; empty for a token, which has no certificate."""
    if not config.certificate:
        return ""
    wrong = what_is_wrong_with(
        config.certificate.encode(), config.key.get_secret_value().encode(), now=datetime.now(UTC)
    )
    return wrong.text if wrong else ""


def _user(config: Kubeconfig) -> KubeUser:
    key = config.key.get_secret_value()
    if key:
        redaction.remember_secret(key)
    return KubeUser(config.ca.encode(), config.certificate.encode(), key.encode(), config.token.get_secret_value())
