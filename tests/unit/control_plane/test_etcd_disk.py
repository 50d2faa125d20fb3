"""A member's disk and certificates, looked at by a real shell on real folders."""

import os
import subprocess
from pathlib import Path, PurePosixPath

from tasks.control_plane.models import MemberOnNode
from tasks.control_plane.probes.etcd_member import read_member
from tasks.control_plane.probes.look import look_at_member, parse, parse_files, parse_member, read_files
from tests.facts.control_plane import MANIFEST, encoded


def looked_at(data: Path | str, pki: Path, before: str = "") -> MemberOnNode:
    """The member of a manifest whose `--data-dir` is in quotes, as a human or a formatter writes it."""
    manifest = MANIFEST.replace("- --data-dir=/var/lib/etcd", '- "--data-dir=/var/lib/etcd"')
    manifest = manifest.replace("path: /var/lib/etcd", f"path: {data}").replace("/etc/kubernetes/pki/etcd", str(pki))
    seen = parse("cp1", f"manifest etcd active {encoded(manifest)}\n".encode())
    assert seen.source
    configured = read_member(seen.source, {})
    script = before + look_at_member(configured, seen.source, seen.of_api)
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    return parse_member(configured, seen.source, seen.of_api, done.stdout)


def test_a_data_directory_in_quotes_that_is_a_mount_point_is_seen_as_one(tmp_path: Path) -> None:
    """A restore would move the mount point after the control plane was stopped (F16)."""
    found = looked_at("/dev", tmp_path)
    assert (str(found.data_dir), found.is_mount, found.data_problem) == ("/dev", True, "")
    assert found.free_bytes > 0


def test_a_folder_is_none_and_a_link_leads_to_what_is_there(tmp_path: Path) -> None:
    """What moves is the folder, not the link."""
    (tmp_path / "disk" / "etcd").mkdir(parents=True)
    (tmp_path / "disk" / "etcd" / "file").write_bytes(b"x" * 5000)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "etcd")
    found = looked_at(tmp_path / "link", tmp_path)
    assert (found.data_dir, found.is_mount) == (PurePosixPath(tmp_path, "disk", "etcd"), False)
    assert (found.owner, found.data_bytes >= 5000) == (f"{os.getuid()}:{os.getgid()}", True)


def test_data_that_is_not_there_has_room_all_the_same(tmp_path: Path) -> None:
    """Where it will be."""
    found = looked_at(tmp_path / "absent", tmp_path)
    assert (found.owner, found.is_mount, found.data_bytes, found.free_bytes > 0) == ("0:0", False, 0, True)


def test_a_disk_that_does_not_answer_is_no_disk_without_room(tmp_path: Path) -> None:
    """With the words of the program that failed."""
    found = looked_at(tmp_path, tmp_path, "df() { echo 'df: Input/output error' >&2; return 1; }\n")
    assert (found.free_bytes, found.data_problem) == (0, "df: Input/output error")
    found = looked_at(tmp_path, tmp_path, "mountpoint() { echo 'mountpoint: not found' >&2; return 127; }\n")
    assert found.data_problem == f"whether {tmp_path} is a mount point: mountpoint: not found"


def test_the_members_own_certificate_is_taken_where_kubeadms_client_is_not(tmp_path: Path) -> None:
    """Both of its files have to be there."""
    for name in ("healthcheck-client.crt", "server.crt", "server.key"):
        (tmp_path / name).touch()
    assert looked_at(tmp_path, tmp_path).on_node.certificate == PurePosixPath(tmp_path, "server.crt")
    (tmp_path / "healthcheck-client.key").touch()
    assert looked_at(tmp_path, tmp_path).on_node.certificate == PurePosixPath(tmp_path, "healthcheck-client.crt")


def test_files_are_read_and_those_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    """Also an empty one, and one with a space in its name."""
    (tmp_path / "a file").write_text("A=b\n")
    (tmp_path / "empty").touch()
    script = read_files([str(tmp_path / name) for name in ("a file", "empty", "absent")])
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert parse_files(done.stdout) == {str(tmp_path / "a file"): "A=b\n", str(tmp_path / "empty"): ""}
