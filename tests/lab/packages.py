"""kubeadm, kubelet and kubectl as Debian packages, in a repository laid out as the community's (pkgs.k8s.io)."""

import gzip
import shutil
import tempfile
from pathlib import Path

from tests.lab.cache import LABS, made_once, only_one
from tests.lab.namespaces import finish
from tests.servers.binaries import binaries

PROGRAMS = ("kubeadm", "kubelet", "kubectl")
REVISION = "1.1"
SIGNED = "signed"
"""Folder of the repository in which all is signed."""

KUBELET_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
KUBEADM_DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
ENABLE = """\
#!/bin/sh
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || true
[ -n "$2" ] || systemctl enable -q kubelet || true
"""


def repository() -> Path:
    """Its folder, the same for all labs."""
    return LABS / "packages"


def place_of(kubernetes: str) -> str:
    """The path of a minor's repository: one for each, as the community has it."""
    return f"core:/stable:/v{'.'.join(kubernetes.split('.')[:2])}/deb"


def publish(kubernetes: str, *, signed: bool = False) -> None:
    """Makes the packages of a version, unless the repository has them; `signed`, once more below SIGNED."""
    folder = repository() / place_of(kubernetes)
    with only_one("packages"):
        missing = [program for program in PROGRAMS if not (folder / _file(program, kubernetes)).exists()]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            for program in missing:
                _build(program, kubernetes, folder)
            write_index(folder)
        if signed:
            _sign(folder, repository() / SIGNED / place_of(kubernetes))


def public_key() -> Path:
    """Of SIGNED, as apt's keyrings have it."""
    return made_once(LABS / "packages-key", _make_key) / "public.gpg"


def _make_key(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    _gpg(folder, "--passphrase", "", "--quick-generate-key", "lab@lab.invalid", "rsa2048", "sign", "never")
    _gpg(folder, "--output", folder / "public.gpg", "--export")


def _sign(folder: Path, into: Path) -> None:
    """The same packages and index, and a signature."""
    into.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        (into / file.name).unlink(missing_ok=True)
        shutil.copyfile(file, into / file.name) if file.suffix != ".deb" else (into / file.name).hardlink_to(file)
    _gpg(public_key().parent, "--yes", "--output", into / "InRelease", "--clearsign", into / "Release")


def _gpg(home: Path, *arguments: str | Path) -> None:
    """Its agent, which would stay, ends with it."""
    try:
        finish(["gpg", "--homedir", home, "--batch", "--quiet", *arguments])
    finally:
        finish(["gpgconf", "--homedir", home, "--kill", "all"])


def write_index(folder: Path, **release: str) -> None:
    """Of the packages in a folder, as apt wants it; `release` are fields about the archive, its Label for example."""
    index = finish(["sh", "-c", 'cd "$1" && apt-ftparchive packages .', "sh", folder])
    (folder / "Packages").write_text(index)
    (folder / "Packages.gz").write_bytes(gzip.compress(index.encode()))
    fields = [word for name, value in release.items() for word in ("-o", f"APT::FTPArchive::Release::{name}={value}")]
    script = 'cd "$1" && shift && rm -f Release && apt-ftparchive "$@" release .'
    (folder / "Release").write_text(finish(["sh", "-c", script, "sh", folder, *fields]))


def write_control(tree: Path, name: str, version: str, about: str, architecture: str = "amd64", **more: str) -> None:
    """What a package says of itself."""
    fields = {"Package": name, "Version": version, "Architecture": architecture, "Maintainer": "lab"}
    fields |= {"Description": about, **more}
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text("".join(f"{field}: {value}\n" for field, value in fields.items()))


def pack(tree: Path, file: Path) -> None:
    """A folder as a package."""
    tree.chmod(0o755)
    finish(["dpkg-deb", "-Zzstd", "-z1", "--root-owner-group", "--build", tree, file])


def _file(program: str, version: str) -> str:
    return f"{program}_{version}-{REVISION}_amd64.deb"


def _build(program: str, version: str, into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=LABS) as temporary:
        tree = Path(temporary)
        write_control(tree, program, f"{version}-{REVISION}", f"{program} {version} for the lab")
        (tree / "usr/bin").mkdir(parents=True)
        shutil.copy((binaries("kube", version) / program).resolve(), tree / "usr/bin" / program)
        if program == "kubelet":
            _add_service(tree)
        pack(tree, into / _file(program, version))


def _add_service(tree: Path) -> None:
    units = tree / "usr/lib/systemd/system"
    for path, text in (
        (units / "kubelet.service", KUBELET_UNIT),
        (units / "kubelet.service.d/10-kubeadm.conf", KUBEADM_DROP_IN),
        (tree / "etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n"),
        (tree / "DEBIAN/conffiles", "/etc/default/kubelet\n"),
        (tree / "DEBIAN/postinst", ENABLE),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tree / "DEBIAN/postinst").chmod(0o755)
