"""What manifests of static pods say."""

from pathlib import PurePosixPath

import pytest

from tasks.control_plane.probes.manifests import (
    flags_of,
    host_path_of,
    image_of,
    parse_api_server,
    parse_flags,
    place_on_host,
)
from tests.facts.control_plane import MANIFEST


def test_flags_with_and_without_an_equals_sign() -> None:
    """And such that have no value."""
    assert parse_flags(["etcd", "--a=1", "--b", "2", "--c", "--d=x=y"]) == {"a": "1", "b": "2", "c": "true", "d": "x=y"}
    assert parse_flags(["--last"]) == {"last": "true"}
    assert parse_flags([]) == {}


@pytest.mark.parametrize("text", ["", "{", "- a\n- b", "spec: 7"])
def test_a_file_that_is_no_manifest_says_nothing(text: str) -> None:
    """An empty one, one that was cut off, or something else."""
    assert (flags_of(text), image_of(text), parse_api_server(text)) == ({}, "", None)
    assert host_path_of(text, PurePosixPath("/var/lib/etcd")) is None


MOUNTS = """\
spec:
  containers:
  - command: [kube-apiserver]
    volumeMounts:
    - {mountPath: /etc/kubernetes, name: all}
    - {mountPath: /etc/kubernetes/pki, name: pki, subPath: current}
    - {mountPath: /secrets, name: secret}
  volumes:
  - {hostPath: {path: /srv/kubernetes}, name: all}
  - {hostPath: {path: /srv/pki}, name: pki}
  - {name: secret}
"""


@pytest.mark.parametrize(
    ("inside", "on_host"),
    [
        ("/etc/kubernetes/admin.conf", "/srv/kubernetes/admin.conf"),
        ("/etc/kubernetes/pki/ca.crt", "/srv/pki/current/ca.crt"),
        ("/secrets/token", "/secrets/token"),
        ("/usr/share/ca.crt", "/usr/share/ca.crt"),
    ],
)
def test_a_path_of_a_container_is_found_on_the_host(inside: str, on_host: str) -> None:
    """By the mount that is nearest to it; a path that is of no folder of the host stays as it is."""
    assert place_on_host(MOUNTS, inside) == on_host


def test_a_folder_of_the_host_is_found_by_its_mount() -> None:
    """Not a volume that is mounted somewhere else."""
    assert host_path_of(MANIFEST, PurePosixPath("/var/lib/etcd")) == PurePosixPath("/var/lib/etcd")
    assert host_path_of(MANIFEST, PurePosixPath("/srv/etcd")) is None
