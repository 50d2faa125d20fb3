"""Suites of programs that the tests' servers are made of: their files, their official release, how Go makes them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MULTICALL = Path(__file__).parent / "multicall"

Go = Callable[..., str]
"""Runs `go` with these words in the folder of the module that is being made, and returns what it prints."""


@dataclass(frozen=True)
class Download:
    """A file of a release: a program, or an archive with programs."""

    address: str
    sums: str
    """Where its SHA-256 is: a file with nothing else, or with lines of `SUM  FILE`."""


@dataclass(frozen=True)
class Suite:
    """Addresses have a {version} and a {machine}."""

    files: tuple[str, ...]
    downloads: tuple[Download, ...]
    build: Callable[[Go, Path, Path, str], None]
    """Makes the files: `go`, the module's folder, the folder for them, the version."""
    multicall: str = ""
    """A program that may be all of them, by the name that it is called by."""


def _build_etcd(go: Go, module: Path, into: Path, version: str) -> None:
    """What `go install` would do if these modules had no replace directives."""
    packages = {"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
    _import(module, *(f"go.etcd.io/etcd/{package}/v3" for package in packages.values()))
    parts = ("server", "etcdctl", "etcdutl", "api", "client/pkg", "client", "pkg")
    go("mod", "edit", *(f"-require=go.etcd.io/etcd/{part}/v3@v{version}" for part in parts))
    go("mod", "tidy")
    for file, package in packages.items():
        go("build", "-ldflags", "-s -w", "-o", str(into / file), f"go.etcd.io/etcd/{package}/v3")


def _build_kube(go: Go, module: Path, into: Path, version: str) -> None:
    """k8s.io/kubernetes replaces its staging modules by paths: they are replaced by v0.MINOR.PATCH here. 10 minutes."""
    (module / "multicall").mkdir()
    (module / "multicall" / "main.go").write_bytes((MULTICALL / "main.go").read_bytes())
    file = go("mod", "download", "-json", f"k8s.io/kubernetes@v{version}").partition('"GoMod": "')[2].partition('"')[0]
    words = [line.split() for line in Path(file).read_text().splitlines()]
    staged = [line[0] for line in words if line[1:2] == ["=>"] and line[0].startswith("k8s.io/")]
    minor = version.removeprefix("1.")
    go("mod", "edit", *(f"-replace={name}={name}@v0.{minor}" for name in staged))
    go("mod", "edit", f"-require=k8s.io/kubernetes@v{version}")
    go("mod", "tidy")
    told = {
        "gitVersion": f"v{version}",
        "gitMajor": "1",
        "gitMinor": minor.partition(".")[0],
        "gitTreeState": "clean",
        "gitCommit": "lab",
        "buildDate": "2026-11-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = [f"-X {package}.{name}={value}" for package in packages for name, value in told.items()]
    go("build", "-ldflags", " ".join(["-s -w", *flags]), "-o", str(into / "kube"), "./multicall")


def _build_coredns(go: Go, module: Path, into: Path, version: str) -> None:
    _import(module, "github.com/coredns/coredns")
    go("mod", "edit", f"-require=github.com/coredns/coredns@v{version}")
    go("mod", "tidy")
    go("build", "-ldflags", "-s -w", "-o", str(into / "coredns"), "github.com/coredns/coredns")


def _import(module: Path, *packages: str) -> None:
    """A file that needs programs, so that `go mod tidy` keeps their modules."""
    imports = "".join(f'import _ "{package}"\n' for package in packages)
    (module / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\n{imports}")


_KUBE = ("kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
_DL = "https://dl.k8s.io/release/v{version}/bin/linux/{machine}"
_ETCD = "https://github.com/etcd-io/etcd/releases/download/v{version}"
_COREDNS = "https://github.com/coredns/coredns/releases/download/v{version}/coredns_{version}_linux_{machine}.tgz"

SUITES = {
    "etcd": Suite(
        files=("etcd", "etcdctl", "etcdutl"),
        downloads=(Download(f"{_ETCD}/etcd-v{{version}}-linux-{{machine}}.tar.gz", f"{_ETCD}/SHA256SUMS"),),
        build=_build_etcd,
    ),
    "kube": Suite(
        files=_KUBE,
        downloads=tuple(Download(f"{_DL}/{program}", f"{_DL}/{program}.sha256") for program in _KUBE),
        build=_build_kube,
        multicall="kube",
    ),
    "coredns": Suite(
        files=("coredns",),
        downloads=(Download(_COREDNS, f"{_COREDNS}.sha256"),),
        build=_build_coredns,
    ),
}
