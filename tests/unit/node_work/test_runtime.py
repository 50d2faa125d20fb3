"""Whether a container runtime listens where the kubelet asks it: asked by a real shell of a real socket."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.node_work.probes.runtime import ask_runtime, socket_of, what_runtime_lacks


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a short name: a socket's has 107 characters at most."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def asked(endpoint: str) -> str:
    """What is wrong with it, on this very machine."""
    done = subprocess.run(["sh", "-c", ask_runtime(endpoint)], capture_output=True, check=True)
    return what_runtime_lacks(done.stdout, endpoint)


@pytest.mark.parametrize("name", ["containerd.sock", "crio.sock", "cri-dockerd.sock"])
def test_a_runtime_that_listens_is_one_whatever_its_unit_is_called(folder: Path, name: str) -> None:
    """Also by another path to the same file, as /var/run is one to /run; one that has ended has left its file."""
    (folder / "run").mkdir()
    (folder / "var").symlink_to(folder / "run")
    endpoint = f"unix://{folder}/var/{name}"
    assert asked(endpoint) == f"no container runtime listens at {endpoint}, where its kubelet asks it"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "run" / name))
        assert asked(endpoint)
        server.listen()
        assert asked(endpoint) == ""
        assert asked(f"unix://{folder}/{name}")
    assert (folder / "run" / name).exists()
    assert asked(endpoint)


def test_what_a_kubelet_asks_where_nobody_says_it() -> None:
    """containerd's own; without a scheme it is a path, too. What is no socket here cannot be asked."""
    assert socket_of("") == "/run/containerd/containerd.sock"
    assert socket_of("unix:///var/run/crio/crio.sock") == "/var/run/crio/crio.sock"
    assert socket_of("/run/x.sock") == "/run/x.sock"
    assert socket_of("tcp://127.0.0.1:3735") == ""
    assert "listens at unix:///run/containerd/containerd.sock" in what_runtime_lacks(b"", "")
