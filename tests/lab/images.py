"""Container images from static programs, without a container engine, and their way into a lab's registry."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.base import base
from tests.lab.cache import HERE, LABS, digest_of, only_one
from tests.lab.namespaces import finish
from tests.servers.binaries import binaries

REGISTRY = "registry.k8s.io"
COREDNS = "1.14.6"
"""Under whatever version kubeadm asks for: which CoreDNS answers is nothing that the runbooks look at."""

PAUSE_VERSIONS = ("3.10.1", "3.10.2")
WORKLOAD = f"{REGISTRY}/lab/busybox:1"
"""For workloads of tests: a shell, a web server, and all else that busybox is."""

KUBE_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
SEARCH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PAUSE = """#!/bin/busybox sh
[ "$1" = -v ] && exec echo pause.sh of the lab
trap exit TERM INT
while :; do sleep 3600 & wait; done
"""
"""kubeadm's health check job runs it with -v."""


@dataclass(frozen=True)
class Image:
    """One layer under one or more names."""

    names: tuple[str, ...]
    files: Mapping[str, Path | bytes]
    """Path in the image to a file or a text."""
    links: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """As a docker-archive."""
        layer = self._layer()
        digest = hashlib.sha256(layer).hexdigest()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Entrypoint": list(self.entrypoint) or None, "Env": [SEARCH]},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created_by": "tests.lab.images"}],
            }
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": list(self.names), "Layers": [f"{digest}/layer.tar"]}]
        with tarfile.open(path, "w") as tar:
            parts = {name: config, f"{digest}/layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
            for part, data in parts.items():
                tar.addfile(_entry(part, size=len(data)), io.BytesIO(data))

    def _layer(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for folder, mode in (("tmp", 0o1777), ("etc", 0o755), ("run", 0o755), ("var", 0o755)):
                tar.addfile(_entry(folder, type=tarfile.DIRTYPE, mode=mode))
            for path, source in self.files.items():
                data = source if isinstance(source, bytes) else source.resolve().read_bytes()
                tar.addfile(_entry(path, size=len(data), mode=0o755), io.BytesIO(data))
            for path, target in self.links.items():
                tar.addfile(_entry(path, type=tarfile.SYMTYPE, linkname=target))
        return buffer.getvalue()


def names_for(kubernetes: str) -> list[str]:
    """The images that kubeadm of this version wants, by its own word."""
    kubeadm = binaries("kube", kubernetes) / "kubeadm"
    told = finish([kubeadm, "config", "images", "list", f"--kubernetes-version=v{kubernetes}"], env={"HOME": "/root"})
    return told.split()


def load(names: Sequence[str], registry: str) -> list[str]:
    """Puts those of the images that were never put there into the registry at an address; returns their names."""
    with only_one("registry"):
        missing = [name for name in names if not _mark(name).exists()]
        for name in missing:
            _push(_image(name), registry)
    return missing


def etcd_image(version: str) -> str:
    """The name under which kubeadm would look for that etcd."""
    return f"{REGISTRY}/etcd:{version}-0"


def _mark(name: str) -> Path:
    recipe = digest_of(HERE / "images.py")
    return LABS / f"registry-{recipe}" / "loaded" / name.replace("/", "_")


def storage() -> Path:
    """Where the registry keeps its images; the same for all labs."""
    recipe = digest_of(HERE / "images.py")
    return LABS / f"registry-{recipe}"


def _push(image: Image, registry: str) -> None:
    archive = LABS / "image.tar"
    image.write(archive)
    for name in image.names:
        target = f"docker://{registry}/{name.removeprefix(f'{REGISTRY}/')}"
        options = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        finish(["skopeo", *options, f"docker-archive:{archive}:{name}", target])
        _mark(name).parent.mkdir(parents=True, exist_ok=True)
        _mark(name).touch()
    archive.unlink()


def _image(name: str) -> Image:
    """What an image of that name holds."""
    program, _, tag = name.removeprefix(f"{REGISTRY}/").rpartition(":")
    match program:
        case "etcd":
            folder = binaries("etcd", tag.removesuffix("-0"))
            return Image((name,), {f"usr/local/bin/{file}": folder / file for file in ("etcd", "etcdctl", "etcdutl")})
        case "coredns/coredns":
            return Image((name,), {"coredns": binaries("coredns", COREDNS) / "coredns"}, entrypoint=("/coredns",))
        case "pause":
            files: dict[str, Path | bytes] = {"bin/busybox": base() / "bin/busybox", "pause": PAUSE.encode()}
            return Image(tuple(f"{REGISTRY}/pause:{version}" for version in PAUSE_VERSIONS), files, {}, ("/pause",))
        case "lab/busybox":
            return Image((name,), {"bin/busybox": base() / "bin/busybox"}, {"bin/sh": "busybox"})
        case _:
            return _kubernetes(tag)


def _kubernetes(tag: str) -> Image:
    """One layer for all four: the programs are often one file under many names."""
    folder = binaries("kube", tag.removeprefix("v"))
    files: dict[str, Path | bytes] = {}
    links = {f"usr/sbin/{name}": "xtables-nft-multi" for name in IPTABLES}
    for program in KUBE_PROGRAMS:
        path, target = f"usr/local/bin/{program}", (folder / program).resolve()
        if target.name == program:
            files[path] = target
        else:
            files[f"usr/local/bin/{target.name}"] = target
            links[path] = target.name
    return Image(tuple(f"{REGISTRY}/{program}:{tag}" for program in KUBE_PROGRAMS), files | _iptables(), links)


def _iptables() -> dict[str, Path]:
    """What kube-proxy calls, from the machines' own Debian."""
    root = base()
    programs = ["/usr/sbin/xtables-nft-multi", "/usr/sbin/conntrack"]
    extensions = sorted(f"/{path.relative_to(root)}" for path in root.glob("usr/lib/*-linux-gnu/xtables/*.so"))
    # Libraries that extensions load themselves are the programs' own.
    told = finish(["chroot", root, "ldd", *programs, *extensions])
    libraries = set(re.findall(r"(/\S+\.so\S*)", told))
    wanted = {*programs, *extensions, *(line for line in libraries if not line.endswith(":"))}
    return {path.lstrip("/"): _inside(root, path) for path in sorted(wanted)}


def _inside(root: Path, path: str) -> Path:
    """The file behind links that are meant from the root's own point of view."""
    return root / finish(["chroot", root, "readlink", "-f", path]).strip().lstrip("/")


def _entry(name: str, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name.lstrip("/"))
    for key, value in attributes.items():
        setattr(info, key, value)
    return info
