"""What nodes say about pods: by a real shell, on a folder as /proc is, with real connections to this computer."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.network_policy.models import Pair, Pod, Seen
from tasks.network_policy.probes import reach
from tests.facts.networks import networks, pod
from tests.servers.processes import free_port

UIDS = ("11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555")
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n"


class Node:
    """A folder as /proc is, and programs before all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process("self", "host")
        self._process("7", "host")
        (folder / "bin").mkdir()
        nsenter = folder / "bin" / "nsenter"
        nsenter.write_text(
            '#!/bin/sh\n[ "$1 $2" = "--net --target" ] || exit 9\necho "$3" >> "$0.log"\nshift 3\nexec "$@"\n'
        )
        nsenter.chmod(0o755)

    def _process(self, pid: str, network: str, cgroup: str = "0::/init.scope", mounts: str = "") -> Path:
        place = self.folder / "proc" / pid
        (place / "ns").mkdir(parents=True)
        (place / "net").mkdir()
        (place / "cgroup").write_text(f"{cgroup}\n")
        (place / "mountinfo").write_text(f"{mounts}\n")
        (place / "ns" / "net").symlink_to(f"net:[{network}]")
        return place

    def pod(  # noqa: PLR0913 - a process of a pod has that
        self, pid: str, cgroup: str = "", *, mounts: str = "", network: str = "pod", v4: str = "", v6: str = ""
    ) -> None:
        """A process of one."""
        place = self._process(pid, network, cgroup, mounts)
        (place / "net" / "tcp").write_text(HEAD + v4)
        if v6:
            (place / "net" / "tcp6").write_text(HEAD + v6)

    def run(self, command: str, stdin: bytes) -> bytes:
        """What a script says."""
        text = command.replace("/proc/", f"{self.folder}/proc/")
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", text], input=stdin, stdout=subprocess.PIPE, check=True, env=environment
        ).stdout

    def listeners(self, *uids: str) -> dict[str, tuple[int, ...]]:
        """Of pods with the address 10.0.0.5."""
        stdin = "".join(f"{uid}\n" for uid in uids).encode()
        return reach.parse_listeners(self.run(reach.listeners_command(), stdin), dict.fromkeys(uids, "10.0.0.5"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """With a process of its own."""
    return Node(tmp_path)


V4 = "   0: 00000000:1F90 00000000:0000 0A x\n   1: 0500000A:0050 00000000:0000 0A x\n"
LOOPBACK = "   2: 0100007F:0051 00000000:0000 0A x\n   3: 0500000A:0052 0500000A:0053 01 x\n"
V6 = f"   0: {'0' * 32}:1F91 {'0' * 32}:0000 0A x\n   1: {'0' * 16}FFFF00000500000A:1F92 {'0' * 32}:0000 0A x\n"


@pytest.mark.parametrize(
    "cgroup",
    [
        f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UIDS[0].replace('-', '_')}.slice/cri-containerd-1.scope",
        f"0::/kubepods/burstable/pod{UIDS[0]}/abc",
        f"12:cpu:/kubepods/pod{UIDS[0]}",
    ],
)
def test_a_pod_is_found_by_its_cgroup_and_listens_where_others_reach_it(node: Node, cgroup: str) -> None:
    """On all addresses or on its own, by IPv4 or IPv6; not on loopback, and an established connection is no listener."""
    node.pod("21", cgroup, v4=V4 + LOOPBACK, v6=V6)
    node.pod("3", f"0::/kubepods/pod{UIDS[1]}/abc", v4=LOOPBACK)
    assert node.listeners(*UIDS) == {UIDS[0]: (80, 8080, 8081, 8082)}


def test_a_pod_without_cgroups_is_found_by_what_the_kubelet_mounts(node: Node) -> None:
    """Volumes in the mounts of the node itself are no container."""
    place = f"/var/lib/kubelet/pods/{UIDS[0]}"
    node.pod("2", "0::/", mounts=f"1 2 0:3 / {place}/volumes/x rw", network="host")
    node.pod("40", "0::/", mounts=f"1 2 0:3 {place}/containers/web/1 /dev/termination-log rw", v4=V4)
    assert node.listeners(UIDS[0]) == {UIDS[0]: (80, 8080)}


def test_a_pod_that_is_gone_or_in_the_network_of_the_node_has_no_answer(node: Node) -> None:
    """Its ports would be those of the node."""
    node.pod("21", f"0::/kubepods/pod{UIDS[0]}/abc", network="host", v4=V4)
    assert node.listeners(*UIDS) == {}
    assert node.run(reach.listeners_command(), f"{UIDS[1]}\n".encode()) == f"absent {UIDS[1]}\n".encode()
    assert reach.parse_listeners(f"listens {UIDS[0]} 00000000:0050".encode(), {}) == {}


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a listener on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def _pod(uid: str) -> Pod:
    made = pod("p", ip="127.0.0.1")
    made["metadata"]["uid"] = uid
    return networks([], [made]).pods[0]


def test_connections_are_tried_from_the_pods_at_once(node: Node, server: int) -> None:
    """From a process of the pod, or from the node; what was open, refused or could not be tried is told apart."""
    node.pod("21", f"0::/kubepods/pod{UIDS[0]}/abc")
    here, gone = _pod(UIDS[0]), _pod(UIDS[1])
    pairs = [
        Pair(here, here, server),
        Pair(None, here, server),
        Pair(here, here, free_port()),
        Pair(gone, here, server),
    ]
    answers = reach.parse_reach(node.run(reach.reach_command(), reach.in_lines(pairs)), len(pairs) + 1)
    assert [seen for seen, _ in answers] == [Seen.OPEN, Seen.OPEN, Seen.REFUSED, Seen.UNKNOWN, Seen.UNKNOWN]
    assert "Connection refused" in answers[2][1]
    assert [words for _, words in answers[3:]] == [
        "the pod has no process in a network of its own",
        "the node gave no answer",
    ]
    assert (node.folder / "bin" / "nsenter.log").read_text().split() == ["21", "21"]


def test_a_connection_without_an_answer_is_dropped(node: Node, server: int) -> None:
    """As `timeout` says it."""
    program = node.folder / "bin" / "timeout"
    program.write_text("#!/bin/sh\nexit 124\n")
    program.chmod(0o755)
    pairs = [Pair(None, _pod(UIDS[0]), server)]
    assert reach.parse_reach(node.run(reach.reach_command(), reach.in_lines(pairs)), 1) == [(Seen.DROPPED, "")]
