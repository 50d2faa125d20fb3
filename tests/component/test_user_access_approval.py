"""A certificate is approved by another person than the one who asked for it; and no key and no token is anywhere."""

from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyrage import x25519

from tasks.backup.archive import unseal
from tests.servers.certified import SigningControlPlane
from tests.servers.etcd import EtcdCluster
from tests.servers.proxies import Hold, S3Proxy
from tests.servers.runbooks import USER_ACCESS, Runbooks
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

pytestmark = pytest.mark.timeout(600)  # the first test pays for a server, a worker and a deployment

IDENTITY = x25519.Identity.generate()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningControlPlane]:
    """Whose controllers sign certificates."""
    with SigningControlPlane(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


@pytest.fixture(scope="module")
def runbooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runbooks]:
    """A server, a worker and the deployment."""
    folder = tmp_path_factory.mktemp("grants")
    with (
        EtcdCluster(tmp_path_factory.mktemp("etcd"), ("solo",)) as etcd,
        S3Server(folder / "s3") as s3,
        Runbooks(folder, etcd, s3, only=(USER_ACCESS,)) as made,
    ):
        yield made


def a_site(runbooks: Runbooks, cluster: SigningControlPlane, user: str, credential: str) -> Site:
    """With that user in the policy."""
    site = runbooks.new_cluster()
    site.use_api(cluster.kubeconfig())
    rights = {"verbs": ["get"], "resources": ["pods"], "namespaces": ["shop"]}
    access = {"recipient": str(IDENTITY.to_public()), "lifetime": "1h", "credential": credential}
    folder = site.clusters / site.name
    folder.mkdir()
    (folder / "access.yaml").write_text(yaml.safe_dump({"users": [{"name": user, "can": [rights], "access": access}]}))
    return site


def asked(runbooks: Runbooks, site: Site, user: str) -> str:
    """The id of a run that waits."""
    run_id = runbooks.start(site, USER_ACCESS, user=user, options={"requested_by": "Ada"})
    runbooks.wait_until(lambda: runbooks.run(run_id)["state_name"] == "Suspended", "the run asks")
    return run_id


def answered(runbooks: Runbooks, run_id: str, who: str) -> None:
    """Approve it by that name; the schema of the form comes right behind the state."""
    body = {"run_input": {"decision": "approve", "who": who}}
    path = f"/flow_runs/{run_id}/resume"
    runbooks.wait_until(lambda: runbooks.server.api("POST", path, body)["status"] == "ACCEPT", "the answer is accepted")


def user_of(site: Site, user: str) -> dict[str, Any]:
    """The credential in the kubeconfig that the user decrypts."""
    [key] = [one for one in site.keys(f"{site.name}/access/{user}/") if one.endswith(".age")]
    found: dict[str, Any] = yaml.safe_load(unseal(site.read(key), str(IDENTITY)))["users"][0]["user"]
    return found


def test_only_another_person_gives_a_certificate(runbooks: Runbooks, cluster: SigningControlPlane) -> None:
    """The own name is refused before anything is touched. The key is nowhere but in the kubeconfig."""
    site = a_site(runbooks, cluster, "cleo", "certificate")
    run_id = asked(runbooks, site, "cleo")
    answered(runbooks, run_id, "ADA ")
    assert runbooks.end_of(run_id)["state_name"] == "Refused"
    report = site.reports()[-1]
    assert (
        "approved the plan, and Ada asked for the certificate: that is one person; nothing was touched"
        in report["problem"]
    )
    assert site.keys(f"{site.name}/access/") == []
    assert (
        cluster.kubectl("get", "csr,rolebindings", "--all-namespaces", "--selector=kube-runbooks.io/access=user.cleo")
        == ""
    )

    run_id = asked(runbooks, site, "cleo")
    answered(runbooks, run_id, "Bob")
    assert runbooks.end_of(run_id)["state_name"] == "Completed", site.reports()[-1]["problem"]
    user = user_of(site, "cleo")
    key = b64decode(user["client-key-data"]).decode()
    parts = [line for line in key.splitlines() if not line.startswith("-")]
    assert runbooks.places_of(user["client-key-data"], *parts) == []
    [entry] = [key for key in site.keys(f"{site.name}/access/cleo/") if key.endswith(".json")]
    kept = yaml.safe_load(site.read(entry))
    assert (kept["requested_by"], kept["approved_by"], kept["groups"]) == ("Ada", "Bob", [])


def test_a_token_is_nowhere_but_in_the_kubeconfig(runbooks: Runbooks, cluster: SigningControlPlane) -> None:
    """Neither in Prefect's database, logs, reports and results, nor in the words and the environment of a process."""
    site = a_site(runbooks, cluster, "ada", "token")
    with S3Proxy(site.s3.endpoint) as proxy:
        site.write(store={"endpoint": proxy.endpoint})
        held = Hold(proxy.on(method="PUT", path=r"/access/ada/.*\.age"), 120)
        run_id = asked(runbooks, site, "ada")
        answered(runbooks, run_id, "Bob")
        with held:
            processes = list(everything_of_processes())
        assert runbooks.end_of(run_id)["state_name"] == "Completed", site.reports()[-1]["problem"]
    token = user_of(site, "ada")["token"]
    assert len(token) > 100
    assert runbooks.places_of(token, token.rpartition(".")[2], token.split(".")[1]) == []
    assert [place for place, text in processes if token.encode() in text] == []
    assert any(b"prefect" in text for _, text in processes)


def everything_of_processes() -> Iterator[tuple[str, bytes]]:
    """Words and environments of all processes of this machine, but not of those that end meanwhile."""
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                yield f"{folder.name}/{name}", (folder / name).read_bytes()
