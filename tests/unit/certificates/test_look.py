"""The question to a node, asked of a real shell on files of our own."""

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path, PurePosixPath

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tasks.certificates.probes.certificates import look, parse
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.shell import ROOT
from tests.facts.signed import NOW, signed


def test_the_script_runs_in_a_shell_and_hands_out_no_key(tmp_path: Path) -> None:
    """On files of our own: keys of several kinds, in files and in a kubeconfig; none of it comes back."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "kubernetes"
    (folder / "pki" / "etcd").mkdir(parents=True)
    secrets = []
    for name, key in (
        ("pki/ca", ec.generate_private_key(ec.SECP256R1())),
        ("pki/etcd/ca", ed25519.Ed25519PrivateKey.generate()),
    ):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets += pem.splitlines()[1:-1]
        (folder / f"{name}.key").write_bytes(pem)
        certificate = signed(key, None if "etcd" in name else hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(certificate)
        data = base64.b64encode(pem).decode()
        secrets.append(data.encode())
        config = f"    client-certificate-data: {base64.b64encode(certificate).decode()}\n    client-key-data: {data}\n"
        (folder / "admin.conf").write_text(f"    server: https://x:6443\n{config}")
    copies = [KubeconfigCopy(path=PurePosixPath(folder / "admin.conf"))]
    script = look(PurePosixPath(folder), copies)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    for secret in secrets:
        assert secret not in done.stdout + done.stderr
    node = parse("cp1", done.stdout, PurePosixPath(folder), now=NOW)
    mine = [one for one in node.certificates if one.path.startswith(str(folder))]
    assert {(one.path.removeprefix(f"{folder}/"), one.pair) for one in mine} == {
        ("pki/ca.crt", True),
        ("pki/etcd/ca.crt", True),
        ("admin.conf", True),
    }
    assert {one.key_type for one in mine} == {"EC secp256r1", "Ed25519"}


def test_a_program_that_was_started_right_after_its_file_was_written_has_read_it(tmp_path: Path) -> None:
    """To the hundredth of a second: it is started anew in the second in which its file is written."""
    lib = (ROOT / "tasks/control_plane/scripts/processes.lib.sh").read_text()
    lib += (ROOT / "tasks/certificates/probes/look.lib.sh").read_text()
    program = tmp_path / f"sleep-{os.getpid()}"
    shutil.copy("/bin/sleep", program)
    written = tmp_path / "written"
    written.touch()
    with subprocess.Popen([program, "60"]) as process:
        try:
            time.sleep(1.3)
            done = subprocess.run(
                ["sh", "-c", f"{lib}\npids_of() {{ echo {process.pid}; }}\nprocess {program.name}"],
                capture_output=True,
                check=True,
                text=True,
            )
        finally:
            process.kill()
    started = float(done.stdout.split()[2])
    assert -0.02 < started - written.stat().st_mtime < 1.0
