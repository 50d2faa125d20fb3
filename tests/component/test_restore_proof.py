"""The proof of a restored API, on a real one: a write that is read and watched, and the end of old watches."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.restore.api import take_pulse, write_and_watch
from tasks.restore.policy.proof import problem_of_write
from tasks.restore.probes.recovery import LEADER_LEASES
from tests.servers.kubernetes import ControlPlane


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeClient]:
    """A cluster's administrator."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        # As a restore leaves it: what was written before is compacted, and API servers start after that.
        cluster.etcd.etcdctl("compact", str(cluster.etcd.put("x", "y")))
        cluster.apiserver.kill()
        cluster.start_apiserver()
        pair = cluster.admin
        user = KubeUser(cluster.ca.read_bytes(), pair.certificate.read_bytes(), pair.key.read_bytes())
        client = KubeClient([KubeServer("cp1", lambda: nullcontext(cluster.url))], lambda: user)
        yield client
        client.close()


def test_an_object_is_written_read_and_watched(kube: KubeClient) -> None:
    """Again, too; whatever is in it. A revision from before the API server's time is gone."""
    for run in ("r1", "r2"):
        written = write_and_watch(kube, {"id": run, "backup": "it's $(id) `id`"}, 1)
        assert problem_of_write(written, run) is None, written
        assert written.revision.isdigit()


def test_a_pulse_has_the_leaders(kube: KubeClient) -> None:
    """By their Leases; there is no node here."""
    renewed = "2026-11-30T16:00:00.000000Z"
    kube.create(
        LEADER_LEASES, {"metadata": {"name": "kube-scheduler"}, "spec": {"holderIdentity": "x", "renewTime": renewed}}
    )
    pulse = take_pulse(kube)
    assert (pulse.ready, pulse.leases) == ({}, {"kube-scheduler": renewed})
