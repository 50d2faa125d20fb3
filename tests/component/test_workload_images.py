"""Images are asked for with the Secrets that the kubelet would take: a real registry with a password, asked through a real sshd."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.workload_rollout import workload_rollout
from tasks.core.models.plan import Caution, Mode
from tasks.workloads.models.changes import Change
from tests.servers.kubernetes import ControlPlane
from tests.servers.registry import MISSING, REASON, Registry
from tests.servers.shop import Shop
from tests.servers.site import Site
from tests.servers.sshd import Sshd

pytestmark = [
    pytest.mark.usefixtures("prefect"),
    pytest.mark.skipif(bool(MISSING), reason=REASON),
]

PASSWORD = "correct-horse-battery"


def secret_of(registry: Registry, password: str) -> dict[str, object]:
    """A Secret of that registry."""
    auths = {registry.address: {"username": "ada", "password": password}}
    text = json.dumps({"auths": auths}).encode()
    data = {".dockerconfigjson": base64.b64encode(text).decode()}
    return {"metadata": {"name": "pull"}, "type": "kubernetes.io/dockerconfigjson", "data": data}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """It answers, and has the image for ada alone."""
    with Registry(tmp_path / "registry", {"ada": PASSWORD}) as found:
        yield found


@pytest.fixture
def node(tmp_path: Path, site: Site, two_workers: ControlPlane) -> Iterator[Sshd]:
    """Both workers are this very machine, on which no containerd says from where it pulls."""
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
        site.profile["nodes"] += [{"name": name, "address": "127.0.0.1", "port": sshd.port} for name in ("w1", "w2")]
        site.use_api(two_workers.kubeconfig())
        yield sshd


def cautions(site: Site, shop: Shop, image: str) -> list[Caution]:
    """What the plan of a rollout of that image says about it."""
    change = Change(namespace=shop.name, workload="deployment/web", images={"main": image})
    report = workload_rollout(site.name, (change,), "new prices", mode=Mode.PLAN)
    assert report.plan
    return [one for one in report.plan.cautions if image in one.problem]


@pytest.mark.usefixtures("node")
def test_the_secret_of_the_service_account_is_the_one_that_counts(shop: Shop, site: Site, registry: Registry) -> None:
    """Admission adds it to the pod that is tried. The password is nowhere, not even on a command line."""
    shop.run("deployment/web")
    said = [one.problem for one in cautions(site, shop, registry.image)]
    assert said
    assert all(f"http://{registry.address} (without credentials): 401 UNAUTHORIZED" in one for one in said)
    assert all("other means: it is known of containerd only from where it pulls" in one for one in said)
    secrets = f"/api/v1/namespaces/{shop.name}/secrets"
    shop.api.create(secrets, secret_of(registry, "wrong"))
    account = f"/api/v1/namespaces/{shop.name}/serviceaccounts/default"
    shop.api.patch(account, {"imagePullSecrets": [{"name": "pull"}, {"name": "absent"}]})
    said = [one.problem for one in cautions(site, shop, registry.image)]
    assert said
    assert all("(with Secret pull): 401 UNAUTHORIZED" in one for one in said)
    shop.api.patch(f"{secrets}/pull", {"data": secret_of(registry, PASSWORD)["data"]})
    assert cautions(site, shop, registry.image) == []
    absent = registry.image.replace("web:2", "web:3")
    said = [one.problem for one in cautions(site, shop, absent)]
    assert said
    assert all("(with Secret pull): 404 MANIFEST_UNKNOWN" in one for one in said)
    assert not any(PASSWORD in text for text in site.texts())


@pytest.mark.usefixtures("node")
def test_a_secret_that_is_not_understood_is_named(shop: Shop, site: Site, registry: Registry) -> None:
    """The kubelet may read it otherwise."""
    secret = {"metadata": {"name": "pull"}, "data": {"password": "eA=="}}
    shop.api.create(f"/api/v1/namespaces/{shop.name}/secrets", secret)
    shop.run("deployment/web", pod={"imagePullSecrets": [{"name": "pull"}]})
    said = [one.problem for one in cautions(site, shop, registry.image)]
    assert said
    assert all("Secret pull: it has neither .dockerconfigjson nor .dockercfg" in one for one in said)


@pytest.mark.usefixtures("node")
def test_an_image_that_is_never_pulled_is_looked_for_on_the_nodes(shop: Shop, site: Site) -> None:
    """No registry is asked. Here no program says which images there are."""
    container = {"name": "main", "image": "web:1", "imagePullPolicy": "Never"}
    shop.run("deployment/web", pod={"containers": [container]})
    said = [one.problem for one in cautions(site, shop, "localhost:1/web:2")]
    assert said == ["image localhost:1/web:2 has imagePullPolicy Never, and whether w1, w2 has it is not known"]


def test_a_node_that_does_not_answer_is_a_caution(shop: Shop, site: Site, node: Sshd) -> None:
    """The rollout itself does not need SSH."""
    shop.run("deployment/web")
    node.stop()
    said = [one.problem for one in cautions(site, shop, "localhost:1/web:2")]
    assert said
    assert all("could not be asked: asked from node w" in one for one in said)


def test_nodes_that_the_profile_does_not_have_are_a_caution(shop: Shop, site: Site, two_workers: ControlPlane) -> None:
    """For clusters whose workers nobody reaches by SSH."""
    site.use_api(two_workers.kubeconfig())
    shop.run("deployment/web")
    (one,) = cautions(site, shop, "localhost:1/web:2")
    assert "no node of the profile runs its pods" in one.problem
