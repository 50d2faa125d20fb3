"""The Kubernetes API on a real server: who is let in, what is not there, servers that are away or have just started."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.core.errors import NotTrusted, NotYet, Refused
from tests.servers.kubernetes import ControlPlane
from tests.servers.pki import KeyPair
from tests.servers.processes import free_port

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all; who kills its API server starts it again."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        yield cluster


@pytest.fixture
def kube(cluster: ControlPlane) -> Iterator[KubeClient]:
    """The administrator's; a server that is not there is asked first."""
    gone = f"https://127.0.0.1:{free_port()}"
    client = KubeClient([server("gone", gone), server("here", cluster.url)], lambda: user(cluster, cluster.admin))
    yield client
    client.close()


def server(name: str, url: str) -> KubeServer:
    """By TCP."""
    return KubeServer(name, lambda: nullcontext(url))


def user(cluster: ControlPlane, pair: KeyPair) -> KubeUser:
    """By certificate."""
    return KubeUser(cluster.ca.read_bytes(), pair.certificate.read_bytes(), pair.key.read_bytes())


def config_map(name: str, **data: str) -> dict[str, object]:
    """To create."""
    return {"metadata": {"name": name}, "data": data}


def test_objects_are_made_found_changed_and_deleted(kube: KubeClient) -> None:
    """By the second server, for the first one does not answer."""
    assert kube.find(f"{CONFIG_MAPS}/a") is None
    made = kube.create(CONFIG_MAPS, config_map("a", x="1"))
    assert kube.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "2"}})["data"] == {"x": "2"}
    with pytest.raises(NotYet, match="409"):
        kube.replace(f"{CONFIG_MAPS}/a", made)
    kube.delete(f"{CONFIG_MAPS}/a")
    kube.delete(f"{CONFIG_MAPS}/a")
    with pytest.raises(Refused, match="404"):
        kube.get(f"{CONFIG_MAPS}/a")


def test_a_list_comes_page_by_page(kube: KubeClient) -> None:
    """All of it."""
    for number in range(5):
        kube.create(CONFIG_MAPS, config_map(f"page-{number}"))
    names = [item["metadata"]["name"] for item in kube.items(CONFIG_MAPS, limit="2")]
    assert {f"page-{number}" for number in range(5)} <= set(names)
    assert "apiserver_request_total" in kube.text("/metrics")


def test_what_is_invalid_or_not_allowed_is_refused(cluster: ControlPlane, kube: KubeClient) -> None:
    """In the server's words, and with the right that is needed."""
    with pytest.raises(Refused, match="422"):
        kube.create(CONFIG_MAPS, config_map("Not A Name"))
    nobody = KubeClient([server("here", cluster.url)], lambda: user(cluster, cluster.user("somebody")))
    with pytest.raises(Refused, match='403 configmaps is forbidden: User "somebody"') as refused:
        nobody.get(CONFIG_MAPS)
    assert "administrator" in refused.value.hint
    nobody.close()
    stranger = KubeClient([server("here", cluster.url)], lambda: KubeUser(cluster.ca.read_bytes(), token="none"))
    with pytest.raises(Refused, match="401"):
        stranger.get(CONFIG_MAPS)
    stranger.close()


def test_a_server_of_another_ca_is_not_trusted(cluster: ControlPlane, tmp_path: Path) -> None:
    """Nothing is sent to it."""
    other = cluster.etcd.ca.read_bytes()
    client = KubeClient([server("here", cluster.url)], lambda: KubeUser(other, token="secret"))
    with pytest.raises(NotTrusted, match="its certificate: "):
        client.get(CONFIG_MAPS)
    client.close()
    del tmp_path


def test_a_server_that_starts_forbids_nothing_for_good(cluster: ControlPlane, kube: KubeClient) -> None:
    """It is asked without a pause while it is killed and starts: it may be away, but it never says that we may not."""
    told: list[str] = []
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            try:
                kube.items(CONFIG_MAPS)
                told.append("fine")
            except NotYet:
                told.append("away")
            except Refused as error:
                told.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(2):
            cluster.apiserver.kill()
            cluster.start_apiserver()
    finally:
        end.set()
        thread.join()
    assert set(told) == {"fine", "away"}


def test_heads_of_a_list_have_no_data(kube: KubeClient) -> None:
    """Of a Secret, its name and labels; the groups of the API have their resources."""
    secrets = "/api/v1/namespaces/default/secrets"
    kube.create(secrets, {"metadata": {"name": "s", "labels": {"a": "b"}}, "stringData": {"password": "hunter2"}})
    [found] = kube.heads(secrets)
    assert (found["metadata"]["name"], found["metadata"]["labels"]) == ("s", {"a": "b"})
    assert "data" not in found
    assert "aHVudGVyMg" not in str(found)
    kube.delete(f"{secrets}/s")
    core, *_ = kube.groups("/api")
    assert "pods" in {one["resource"] for version in core["versions"] for one in version["resources"]}
