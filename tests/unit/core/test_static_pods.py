"""What manifests of static pods say."""

from pathlib import PurePosixPath

import pytest

from tasks.core.models.shape import KeyPair
from tasks.core.probes.pod_shape import pod_in, program_of
from tasks.core.probes.static_pods import (
    flags_of,
    host_path_of,
    image_of,
    parse_api_server,
    parse_flags,
    place_on_host,
    serving_pair_of,
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


@pytest.mark.parametrize(
    ("value", "pair"),
    [
        ("/a.crt,/a.key", ("/a.crt", "/a.key", ())),
        (" /a.crt , /a.key : x.example, *.y.example ", ("/a.crt", "/a.key", ("x.example", "*.y.example"))),
    ],
)
def test_a_pair_for_certain_names_is_read_as_the_programs_read_it(value: str, pair: tuple[object, ...]) -> None:
    """Spaces do not count; without names those in the certificate hold."""
    found = serving_pair_of(value)
    assert (found.certificate, found.key, found.names) == pair


@pytest.mark.parametrize("value", ["", "/a.crt", "/a.crt,", ",/a.key", "/a,/b,/c", "/a.crt,/a.key:", "/a.crt,/a.key: "])
def test_what_is_no_pair_is_told(value: str) -> None:
    """The programs do not start with it."""
    with pytest.raises(ValueError, match="is not CERTIFICATE,KEY"):
        serving_pair_of(value)


def test_a_flag_that_is_given_several_times_has_several_values() -> None:
    """In their order; the dictionary of flags has the last one."""
    mounts = "volumeMounts: [{name: v, mountPath: /in}]"
    manifest = (
        f"spec: {{containers: [{{command: [x, --a=/in/1, --b, /in/2], args: [--a, '3', --c=], {mounts}}}], "
        "volumes: [{name: v, hostPath: {path: /out}}]}"
    )
    pod = pod_in(manifest, parked=False)
    assert (pod.every("a"), pod.every("b"), pod.every("c")) == (("/out/1", "3"), ("/out/2",), ())
    assert (pod.file("a"), pod.file("b"), pod.flags["a"]) == ("3", "/out/2", "3")


def test_certificates_for_certain_names_are_files_of_the_node() -> None:
    """A value that could not be parsed is told and hides no other."""
    told = "spec: {containers: [{command: [x, '--tls-sni-cert-key=/a,/b:n', '--tls-sni-cert-key=/c']}]}"
    pod = pod_in(told, parked=False)
    assert pod.serving_pairs == (KeyPair(certificate=PurePosixPath("/a"), key=PurePosixPath("/b")),)
    [problem] = pod.pair_problems
    assert problem.startswith("--tls-sni-cert-key: '/c' is not CERTIFICATE,KEY")


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


def test_a_program_that_is_no_pod_has_its_files_where_it_says() -> None:
    """etcd as a unit: no volume is between its words and the node."""
    etcd = program_of(["/usr/bin/etcd", "--name=m1", "--cert-file=/etc/ssl/etcd/m1.pem"])
    assert etcd.flags == {"name": "m1", "cert-file": "/etc/ssl/etcd/m1.pem"}
    assert {flag: str(file) for flag, file in etcd.files.items()} == {"cert-file": "/etc/ssl/etcd/m1.pem"}
