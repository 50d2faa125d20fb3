"""Members that listen where ours usually do not: by IPv6 alone, or at the node's address alone, and never at port 2379."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.backup.scripts.node_snapshot import input_of, parse_snapshot, prepare_node, take_snapshot
from tasks.cluster import open_cluster
from tasks.control_plane.probes.etcd_member import read_member
from tasks.control_plane.probes.look import look_at_member, parse, parse_member
from tasks.core.models.profile import Route, RouteChoice
from tasks.etcd.observe import look_at_members
from tests.component.test_node_snapshot import LIMIT, ran
from tests.facts.control_plane import MANIFEST, encoded
from tests.servers.etcd import EtcdCluster
from tests.servers.site import Site
from tests.servers.sshd import Sshd


def own_address() -> str:
    """One of this machine that is no loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def manifest_of(etcd: EtcdCluster) -> str:
    """A static pod with the flags of the member that runs."""
    member = etcd.members[0]
    flags = [
        f"--name={member.name}",
        f"--data-dir={etcd.folder}",
        f"--listen-client-urls={member.url}",
        f"--advertise-client-urls={member.url}",
        f"--initial-advertise-peer-urls={member.peer_url}",
        f"--trusted-ca-file={etcd.ca}",
        f"--cert-file={etcd.server.certificate}",
        f"--key-file={etcd.server.key}",
    ]
    command = "\n".join(f'    - "{flag}"' for flag in ["etcd", *flags])
    begin, _, rest = MANIFEST.partition("    - etcd\n")
    image = rest[rest.index("    image:") :].replace("/var/lib/etcd", str(etcd.folder))
    return f"{begin}{command}\n{image}"


def answers(site: Site, route: RouteChoice) -> list[tuple[Route | None, bool]]:
    """By which route each member was reached, and whether it is healthy."""
    found = look_at_members(open_cluster(site.name), route).members
    return [(member.route, bool(member.status and member.status.healthy)) for member in found]


@pytest.mark.parametrize("where", ["IPv6", "the node's address"])
def test_a_member_is_reached_where_its_manifest_says_that_it_listens(
    new_site: Callable[[EtcdCluster], Site], tmp_path: Path, where: str
) -> None:
    """By all three routes: from the worker, through SSH, and by the node itself."""
    host = "::1" if where == "IPv6" else own_address()
    with EtcdCluster(tmp_path / "etcd", host=host) as etcd, Sshd(tmp_path / "sshd") as sshd:
        etcd.seed(50)
        seen = parse("cp1", f"manifest etcd active {encoded(manifest_of(etcd))}\n".encode())
        assert seen.source
        configured = read_member(seen.source, {})
        printed = ran(tmp_path, look_at_member(configured, seen.source, seen.of_api)).stdout
        found = parse_member(configured, seen.source, seen.of_api, printed).on_node
        assert (found.address, found.port, found.certificate.name) == (host, etcd.members[0].port, "server.crt")
        site = new_site(etcd)
        assert answers(site, "direct") == [("direct", True)]
        site.through(sshd)
        site.profile["etcd"]["client"] = None
        site.write(etcd={"on_node": found.model_dump(mode="json")})
        assert answers(site, "tunnel") == [("tunnel", True)]
        store = open_cluster(site.name).store
        upload = store.start_upload("it")
        ran(tmp_path, prepare_node())
        job = take_snapshot("x", str(etcd.binaries), found, revision=2)
        done = ran(tmp_path, job, input_of(store.part_urls(upload, 2, LIMIT), b""))
        assert done.returncode == 0, done
        store.complete(upload, parse_snapshot("cp1", done.stdout.decode()).etags)
