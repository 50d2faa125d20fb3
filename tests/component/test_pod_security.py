"""The Pod Security Standards: our judgement of a pod is that of the API server's own admission."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.core.models import outside
from tasks.pod_security.models import Level
from tasks.pod_security.observe import look_at_pods
from tasks.pod_security.policy.standards import violations_of
from tasks.pod_security.probes.pods import KINDS
from tests.servers.insecure_pods import Maker
from tests.servers.kubernetes import Api, ApiError, ControlPlane
from tests.servers.pki import KeyPair
from tests.servers.processes import wait_until

VERSION = "1.37.2"
MINORS = (33, 34, 35, 36, 37)
"""The API server knows the rules of all earlier versions, too: a namespace names the one that holds."""

LEVELS = (Level.BASELINE, Level.RESTRICTED)
PODS, SEED = 60, 22
"""Pods for each level and version. They are the same in each run; another seed and more pods are for trying by hand."""

REFUSED = " violates PodSecurity "

ALIKE = {
    "non-default capabilities": "unrestricted capabilities",
    "hostPath volumes": "restricted volume types",
    "forbidden AppArmor profiles": "forbidden AppArmor profile",
}
"""Where the server's check of restricted says again, or in the plural, what ours of baseline said."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """That takes privileged pods; a namespace for each level and version."""
    folder = tmp_path_factory.mktemp("kubernetes")
    with ControlPlane(folder, version=VERSION, apiserver_flags=["--allow-privileged=true"]) as control_plane:
        for level in LEVELS:
            for minor in MINORS:
                _add_namespace(control_plane.api, level, minor)
        yield control_plane


def _name(level: Level, minor: int) -> str:
    return f"{level}-{minor}"


def _add_namespace(api: Api, level: Level, minor: int) -> None:
    label = "pod-security.kubernetes.io/enforce"
    labels = {label: str(level), f"{label}-version": f"v1.{minor}"}
    name = _name(level, minor)
    api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    wait_until(lambda: api.get(accounts)["items"], 60.0, "the namespace has its ServiceAccount")


@pytest.fixture
def kube(cluster: ControlPlane) -> Iterator[KubeClient]:
    """As the administrator."""
    with _client(cluster, cluster.admin) as client:
        yield client


@contextmanager
def _client(cluster: ControlPlane, pair: KeyPair) -> Iterator[KubeClient]:
    user = KubeUser(cluster.ca.read_bytes(), pair.certificate.read_bytes(), pair.key.read_bytes())
    client = KubeClient([KubeServer("cp1", lambda: nullcontext(cluster.url))], lambda: user)
    yield client
    client.close()


@pytest.mark.parametrize("level", LEVELS)
def test_a_pod_is_judged_as_by_the_api_server(cluster: ControlPlane, level: Level) -> None:
    """Random pods, each in the words of the server's refusal: the same checks, no more and no less."""
    maker, seen = Maker(SEED), Counter[str]()
    asked = [(minor, maker.pod(f"p{number}")) for minor in MINORS for number in range(PODS)]

    def differences(minor: int, pod: dict[str, Any]) -> str:
        said = _said_of(cluster.api, _name(level, minor), pod)
        if said and REFUSED not in said:
            return f"{said} {pod=}"  # no question of Pod Security: a fault of this test
        theirs = _reasons(said.partition(REFUSED)[2].partition('": ')[2])
        found = violations_of(outside.SecuredPod.read(pod, "a pod"), level, minor)
        ours = {one.check for one in found}
        seen["fits" if not theirs else "does not fit"] += 1
        return "" if _alike(ours) == _alike(theirs) else f"1.{minor}: {ours=} {theirs=} {pod=}"

    with ThreadPoolExecutor(8) as pool:
        wrong = [one for one in pool.map(lambda pair: differences(*pair), asked) if one]
    print(f"\n{dict(seen)}")
    assert wrong == []
    assert seen["fits"]
    assert seen["does not fit"]


def _said_of(api: Api, namespace: str, pod: dict[str, Any]) -> str:
    """What the API server says against a pod, by a dry run; empty if it takes it."""
    try:
        api.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    except ApiError as error:
        return str(error.body.get("message", error))
    return ""


def _reasons(said: str) -> set[str]:
    """`host namespaces (hostNetwork=true), hostPort (...)` without what stands in brackets."""
    depth, plain = 0, ""
    for letter in said:
        depth += letter == "("
        plain += letter if not depth else ""
        depth -= letter == ")"
    return {one.strip() for one in plain.split(",") if one.strip()}


def _alike(checks: set[str]) -> set[str]:
    return {ALIKE.get(one, one) for one in checks}


def test_a_workload_is_fixed_by_its_patch_and_its_namespace_can_enforce_the_level(
    cluster: ControlPlane, kube: KubeClient
) -> None:
    """Of each kind that makes pods. The API server takes the patch, and has no warning about the label then."""
    api, name = cluster.api, "loose"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"):
        _create(api, kind, name)
    _create(api, "Pod", name, volumes=[{"name": "v", "hostPath": {"path": "/"}}])
    owned = {"annotations": {"meta.helm.sh/release-name": "r"}}
    _create(api, "ReplicaSet", name, metadata=owned)
    before = {one.label: one for one in look_at_pods(kube).workloads if one.namespace == name}
    of_helm = before.pop(f"{name}/replicaset/a")
    assert (of_helm.owner, of_helm.fix) == ("Helm (meta.helm.sh/release-name: r)", "")
    api.delete(of_helm.path)
    assert sorted(before) == [
        f"{name}/{one}/a" for one in ("cronjob", "daemonset", "deployment", "job", "pod", "statefulset")
    ]
    assert {one.fits for one in before.values()} == {Level.BASELINE, Level.PRIVILEGED}
    api.delete(before.pop(f"{name}/pod/a").path)
    api.delete(before.pop(f"{name}/job/a").path, {"propagationPolicy": "Background"})
    for one in before.values():
        assert one.fix_refused == ""
        api.patch(one.path, json.loads(one.fix), "strategic")
    after = look_at_pods(kube)
    assert {one.fits for one in after.workloads if one.namespace == name} == {Level.RESTRICTED}
    found = next(one for one in after.namespaces if one.name == name)
    assert (found.enforces, found.could_enforce, found.warnings) == (Level.PRIVILEGED, Level.RESTRICTED, ())


def test_pods_that_run_already_are_warned_of_by_the_api_server(cluster: ControlPlane, kube: KubeClient) -> None:
    """A ReplicaSet keeps pods of a template from before: the dry run of the label names them."""
    api, name = cluster.api, "old"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    _create(api, "ReplicaSet", name)
    pods = f"/api/v1/namespaces/{name}/pods"
    wait_until(lambda: api.get(pods)["items"], 60.0, "it has a pod")
    made = next(one for one in look_at_pods(kube).workloads if one.namespace == name)
    api.patch(made.path, json.loads(made.fix), "strategic")
    found = next(one for one in look_at_pods(kube).namespaces if one.name == name)
    assert found.could_enforce is Level.RESTRICTED
    assert any("existing pods in namespace" in one for one in found.warnings), found.warnings
    assert any("allowPrivilegeEscalation != false" in one for one in found.warnings), found.warnings


def test_who_may_not_patch_is_told_so_and_it_is_no_warning(cluster: ControlPlane) -> None:
    """Neither the patch nor the label was tried then. The run goes on."""
    api, name = cluster.api, "seen"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    _create(api, "Deployment", name)
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    api.create(f"{rbac}/clusterroles", {"metadata": {"name": "reader"}, "rules": rules})
    subjects = [{"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
    api.create(f"{rbac}/clusterrolebindings", {"metadata": {"name": "reader"}, "roleRef": role, "subjects": subjects})
    with _client(cluster, cluster.user("reader")) as reader:
        wait_until(lambda: reader.send("GET", "/api/v1/pods").is_fine, 60.0, "the reader may read")
        found = look_at_pods(reader)
    (made,) = (one for one in found.workloads if one.namespace == name)
    assert 'cannot patch resource "deployments"' in made.fix_refused
    (space,) = (one for one in found.namespaces if one.name == name)
    assert space.warnings == ()
    assert 'cannot patch resource "namespaces"' in space.label_refused


def _create(api: Api, name: str, namespace: str, metadata: dict[str, Any] | None = None, **spec: object) -> None:
    """An object of a kind, with one pod that says nothing about security, or what is given."""
    kind, labels = KINDS[name], {"app": name.lower()}
    own: dict[str, Any] = {"containers": [{"name": "web", "image": "registry.example/i:1"}], **spec}
    if name in {"Job", "CronJob"}:
        own["restartPolicy"] = "Never"
    inner: dict[str, Any] = {"metadata": {"labels": labels}, "spec": own}
    for part in reversed(kind.template):
        inner = {part: inner}
    made = inner.setdefault("spec", {})
    if name not in {"Pod", "Job", "CronJob"}:
        made["selector"] = {"matchLabels": labels}
    if name == "CronJob":
        made["schedule"] = "0 0 1 1 *"
    if name in {"Deployment", "StatefulSet"}:
        made["replicas"] = 0
    if name == "StatefulSet":
        made["serviceName"] = "none"
    head = {"name": "a", "labels": labels, **(metadata or {})}
    api.create(f"{kind.group}/namespaces/{namespace}/{kind.plural}", inner | {"metadata": head})
