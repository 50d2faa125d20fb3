"""Checks what works in a cluster's profile: keys, nodes, the API, etcd, the bucket and volumes.

It tries each of them in the way in which runbooks use it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial

from tasks.backup.backups import TRIALS
from tasks.backup.node_snapshots import check_node, find_etcd_tools
from tasks.check.limits import LIMIT, Check, in_time
from tasks.check.models import Finding, Right, State, Tried
from tasks.check.policy.causes import told_once
from tasks.check.policy.fixes import failed_by
from tasks.check.policy.rights import EVERYTHING, all_rights, judge_rights
from tasks.check.policy.routes import judge_routes
from tasks.check.policy.volumes import (
    AREA,
    CONTROLLER,
    SNAPSHOTS,
    judge_command,
    judge_controller,
    judge_snapshots,
    subject_of,
    uses_volumes,
)
from tasks.check.probes.access import REVIEWS, WHO, WHO_AM_I, is_allowed, review_of, user_in
from tasks.check.probes.login import look_at_login, parse_login
from tasks.check.probes.volumes import (
    CLASSES,
    DEPLOYMENTS,
    GROUP,
    parse_controller,
    parse_fitting,
)
from tasks.clients.kube import KubeClient
from tasks.clients.objectstore import try_each_way
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, RunbookError
from tasks.core.models import outside
from tasks.core.models.kubeadm import ETCD
from tasks.core.models.profile import EtcdEndpoint, InContainers, Route
from tasks.etcd.find import find_members
from tasks.etcd.policy.routes import is_possible

CALL = timedelta(seconds=20)
"""Limits the time of one query to a node or to the API."""


def check_cluster(handle: Cluster, limit: timedelta = LIMIT) -> tuple[Finding, ...]:
    """Runs all checks in parallel, and returns the findings in the order in which to repair them.

    A check that fails because an earlier one fails is a skip, which names the cause.
    """
    return told_once(in_time(tuple(_checks(handle)), limit))


STORE, LOGIN, CLIENT = "store.access_key, store.secret_key", "ssh.key, ssh.known_hosts", "etcd.client"
KUBECONFIG = "kubernetes.kubeconfig"


def _checks(handle: Cluster) -> Iterator[Check]:
    profile = handle.profile
    if profile.store.access_key:
        yield _key(STORE, lambda: handle.store)
    if profile.ssh:
        yield _key(LOGIN, handle.check_login)
    if profile.etcd.client:
        yield _key(CLIENT, handle.check_etcd_client)
    if profile.kubernetes.kubeconfig:
        yield Check("keys", KUBECONFIG, partial(_check_kubeconfig, handle))
    for node in profile.nodes if profile.ssh else ():
        yield Check("ssh", node.name, partial(_check_node, handle, node.name), (f"keys {LOGIN}",))
    if profile.kubernetes.kubeconfig or profile.ssh:
        yield Check("api", "servers", partial(_check_servers, handle))
        yield Check("rights", "all runbooks", partial(_check_rights, handle), ("api",))
    yield Check("etcd", "members", partial(_check_etcd, handle), ("ssh",) if profile.ssh else ())
    if uses_volumes(profile) and (profile.kubernetes.kubeconfig or profile.ssh):
        yield from _volume_checks(handle)
    yield Check("bucket", profile.store.bucket, partial(_check_bucket, handle), (f"keys {STORE}",))


def _volume_checks(handle: Cluster) -> Iterator[Check]:
    rules = handle.profile.volumes
    for one in (*rules.hooks, *rules.checks):
        yield Check(AREA, subject_of(one), partial(_check_command, handle, one), ("api",))
    yield Check(AREA, SNAPSHOTS, partial(_check_snapshots, handle), ("api",))


def _over_ssh(name: str) -> tuple[str, ...]:
    """Lists what has to work before a node can be asked about anything that only root may read there."""
    return (f"ssh {name}", f"login shell {name}", f"sudo {name}")


def _needing(finding: Finding, *needs: str) -> Finding:
    return finding.model_copy(update={"needs": needs})


def _ok(area: str, subject: str, told: str) -> Finding:
    return Finding(area=area, subject=subject, state=State.OK, told=told)


def _key(field: str, resolve: Callable[[], object]) -> Check:
    def act() -> Sequence[Finding]:
        resolve()
        return (_ok("keys", field, "can be read, and private keys are private"),)

    return Check("keys", field, act)


def _check_kubeconfig(handle: Cluster) -> Sequence[Finding]:
    if wrong := handle.what_is_wrong_with_administrator(()):
        fix = "replace the kubeconfig by one that is in date, as `kubeadm kubeconfig user` writes it"
        return (Finding(area="keys", subject=KUBECONFIG, state=State.FAIL, told=wrong, fix=fix),)
    return (_ok("keys", KUBECONFIG, "can be read, and its certificate is in date"),)


def _check_node(handle: Cluster, name: str) -> Sequence[Finding]:
    """Checks the connection to a node first, because every other check needs it."""
    node = handle.node(name)
    node.connect()
    found = [_ok("ssh", name, f"{node.target.login}: the host key is known, and the login is accepted")]
    for what, sudo in (("login shell", False), ("sudo", True)):
        try:
            login = parse_login(name, node.run(look_at_login(), timeout=CALL, sudo=sudo).stdout)
        except RunbookError as error:
            found.append(failed_by(what, name, error))
            continue
        if sudo and login.uid:
            fix = "set ssh.sudo to true, or log in as root" if not node.target.sudo else f"correct sudoers on {name}"
            told = f"privileged commands run as {login.user}, not as root"
            found.append(Finding(area=what, subject=name, state=State.FAIL, told=told, fix=fix))
        else:
            told = "privileged commands run as root" if sudo else f"{login.shell} of {login.user} runs commands"
            found.append(_ok(what, name, told))
    return found


def _check_servers(handle: Cluster) -> Sequence[Finding]:
    """Checks the address in the kubeconfig, and the API server of each control plane node through SSH."""
    found = []
    if handle.profile.kubernetes.kubeconfig:
        found.append(_needing(_version_of(KUBECONFIG, lambda: handle.own_kube((), CALL)), f"keys {KUBECONFIG}"))
    if not handle.profile.ssh:
        return found
    told = handle.who_is_control_plane()
    through = [failed_by("api", name, error) for name, error in told.items() if isinstance(error, RunbookError)]
    names = [name for name, has_one in told.items() if has_one is True]
    through += on_all(lambda name: _version_of(name, partial(handle.kube_on, name, CALL)), names)
    found += [_needing(one, *_over_ssh(one.subject)) for one in through]
    if not found:
        fix = "add the control plane nodes to nodes:, or give kubernetes.kubeconfig"
        told_of_none = f"none of {', '.join(told) or 'no nodes'} has an API server"
        found.append(Finding(area="api", subject="servers", state=State.FAIL, told=told_of_none, fix=fix))
    return found


def _version_of(name: str, opened: Callable[[], KubeClient]) -> Finding:
    try:
        with closing(opened()) as kube:
            version = outside.Version.read(kube.get("/version"), "the answer to GET /version").git_version
    except RunbookError as error:
        return failed_by("api", name, error)
    return _ok("api", name, f"answers, {version}")


def _check_rights(handle: Cluster) -> Sequence[Finding]:
    """Checks what the API allows the worker to do.

    An administrator needs only one check, for the right to do everything. For anyone else, it checks each right of
    each runbook.
    """
    kube = handle.kube
    user = user_in(kube.create(WHO, WHO_AM_I))

    def denied(rights: Sequence[Right]) -> list[Right]:
        allowed = on_all(lambda right: is_allowed(kube.create(REVIEWS, review_of(right))), rights)
        return [right for right, may in zip(rights, allowed, strict=True) if not may]

    if not denied(EVERYTHING):
        return (_ok("rights", "all runbooks", f"{user} may do everything"),)
    return judge_rights(denied(all_rights()), user)


def _check_command(handle: Cluster, one: InContainers) -> Sequence[Finding]:
    """Checks whether a hook or a check of the profile fits the pods that there are now."""
    path = f"/api/v1/namespaces/{one.namespace}"
    if handle.kube.find(path) is None:
        return (judge_command(one, None),)
    found = [parse_fitting(raw) for raw in handle.kube.items(f"{path}/pods", labelSelector=one.labels)]
    return (judge_command(one, [pod for pod in found if pod]),)


def _check_snapshots(handle: Cluster) -> Sequence[Finding]:
    """Checks whether the API takes snapshots, and whether a controller is seen that processes them."""
    kube = handle.kube
    if kube.find(GROUP) is None:
        return (judge_snapshots(None),)
    judged = judge_snapshots(
        [outside.SnapshotClass.read(raw, outside.name_of("VolumeSnapshotClass", raw)) for raw in kube.items(CLASSES)]
    )
    try:
        seen = [parse_controller(raw) for raw in kube.items(DEPLOYMENTS)]
    except Refused as error:  # no runbook of volumes needs this right
        told = f"not checked: {error.problem}"
        return (judged, Finding(area=AREA, subject=CONTROLLER, state=State.NOT_CHECKED, told=told))
    return (judged, judge_controller([one for one in seen if one]))


def _check_etcd(handle: Cluster) -> Sequence[Finding]:
    profile = handle.profile
    found = find_members(handle, over_ssh=bool(profile.ssh))
    routes = [
        *([Route.DIRECT] if profile.etcd.client else []),
        *([Route.TUNNEL, Route.NODE] if profile.ssh else []),
    ]
    pairs = [(one, route) for one in found.endpoints for route in routes if is_possible(one, route)]
    tried = on_all(lambda pair: _try_route(handle, *pair), pairs)
    not_asked = [
        _needing(failed_by("etcd", f"members at {name}", error, State.WARN), *_over_ssh(name))
        for name, error in found.not_asked.items()
    ]
    without = {one.url for one in found.endpoints} - {one.url for one, _ in pairs}
    fix = "name its node in etcd.endpoints, or give etcd.client"
    lost = [
        Finding(area="etcd", subject=url, state=State.FAIL, told="no route leads to this member", fix=fix)
        for url in sorted(without)
    ]
    return (*judge_routes(tried, profile.backup.route), *lost, *not_asked)


def _try_route(handle: Cluster, endpoint: EtcdEndpoint, route: Route) -> Tried:
    member = endpoint.url if endpoint.node is None else f"{endpoint.url} ({endpoint.node})"
    needs = (f"keys {CLIENT}",) if route is Route.DIRECT else _over_ssh(endpoint.node or "")
    try:
        told = _asked_by_node(handle, endpoint) if route is Route.NODE else _asked(handle, endpoint, route)
    except RunbookError as error:
        return Tried(member=member, route=route, problem=error.problem, fix=error.hint, needs=needs)
    return Tried(member=member, route=route, told=told, needs=needs)


def _asked(handle: Cluster, endpoint: EtcdEndpoint, route: Route) -> str:
    with handle.etcd(endpoint, route) as client:
        _, _, status = client.status()
    return f"etcd {status.version}, {status.db_size} bytes"


def _asked_by_node(handle: Cluster, endpoint: EtcdEndpoint) -> str:
    """Checks what a node needs to take a snapshot itself, and returns what it found.

    The node needs tools of the member's version, programs, and space.
    """
    name = endpoint.node or ""
    with handle.etcd(endpoint, Route.TUNNEL) as client:
        _, _, status = client.status()
    member = handle.shape(name).pods.get(ETCD)
    minor = ".".join(status.version.split(".")[:2])
    tools = find_etcd_tools(handle, name, minor, member.image if member else "")
    check_node(handle.node(name), status.db_size)
    return f"etcdctl and etcdutl {minor} in {tools}, programs and space for a snapshot"


def _check_bucket(handle: Cluster) -> Sequence[Finding]:
    """Checks the bucket in each way in which backups use it, and deletes what it wrote."""
    store = handle.store
    store.check()
    found = [_ok("bucket", "reach", f"{store.place} is in region {store.store.region}")]
    for way in try_each_way(store, f"{handle.profile.name}/{TRIALS}"):
        if way.problem:
            found.append(failed_by("bucket", way.name, way.problem, State.FAIL if way.is_needed else State.WARN))
        else:
            found.append(_ok("bucket", way.name, "works"))
    return found
