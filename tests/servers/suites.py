"""The programs that tests run, suite by suite: what belongs together, where it is released, and how Go builds it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class NotHereError(Exception):
    """One source has not got a suite; the message says why, and the next source is asked."""


@dataclass(frozen=True)
class Suite:
    """Programs of one version."""

    programs: tuple[str, ...]
    release: str
    """Address of an official file for a {version} and a {machine}: a tar of all, or each {program} by itself; "" if there is none."""
    sums: str
    """Address of the SHA-256 sum of that {file}, alone or in a list."""
    modules: tuple[str, ...]
    """Go modules that have the suite's version."""
    packages: Mapping[str, str]
    """File to the Go package that it is built from."""
    version: tuple[str, str]
    """A program and the flag that makes it print its version."""
    pins: tuple[str, ...] = ()
    """Modules at the lowest version that the proxy serves, where it does not serve the one that is asked for."""
    stamp: str = ""
    """The variable that the linker sets to the version, where the programs do not know it by themselves."""
    data: tuple[tuple[str, str], ...] = ()
    """A module, and the path of a file in it that is put beside the programs."""
    multicall: str = ""
    """The one file that all programs are links to, where the suite is built as one."""

    @property
    def files(self) -> tuple[str, ...]:
        """All that an archive of it may have."""
        data = [path.rpartition("/")[2] for _, path in self.data]
        return (*self.programs, *data, *([self.multicall] if self.multicall else []))

    def link(self, folder: Path) -> None:
        """Gives the one file its many names."""
        if self.multicall and (folder / self.multicall).exists():
            for program in self.programs:
                (folder / program).symlink_to(self.multicall)

    def is_complete(self, folder: Path) -> bool:
        """Is every program there, and may be run?"""
        return all(os.access(folder / program, os.X_OK) for program in self.programs)


_SNAPSHOTTER = "github.com/kubernetes-csi/external-snapshotter"
_ETCD = "https://github.com/etcd-io/etcd/releases/download/v{version}"
_KUBERNETES = "https://dl.k8s.io/v{version}/bin/linux/{machine}"
_COREDNS = "https://github.com/coredns/coredns/releases/download/v{version}"
_VERSITYGW = "https://github.com/versity/versitygw/releases/download/v{version}"
_VELERO = "https://github.com/vmware-tanzu/velero/releases/download/v{version}"
_KUBE_ROUTER = "https://github.com/cloudnativelabs/kube-router/releases/download/v{version}"
_CRICTL = "https://github.com/kubernetes-sigs/cri-tools/releases/download/v{version}"

SUITES = {
    "etcd": Suite(
        programs=("etcd", "etcdctl", "etcdutl"),
        release=f"{_ETCD}/etcd-v{{version}}-linux-{{machine}}.tar.gz",
        sums=f"{_ETCD}/SHA256SUMS",
        modules=tuple(
            f"go.etcd.io/etcd/{part}/v3"
            for part in ("server", "etcdctl", "etcdutl", "api", "client/pkg", "client", "pkg")
        ),
        packages={
            "etcd": "go.etcd.io/etcd/server/v3",
            "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
            "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
        },
        version=("etcd", "--version"),
    ),
    "kube": Suite(
        programs=(
            "kubeadm",
            "kubelet",
            "kubectl",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
        ),
        release=f"{_KUBERNETES}/{{program}}",
        sums=f"{_KUBERNETES}/{{file}}.sha256",
        modules=("k8s.io/kubernetes",),
        packages={"kube": "./multicall"},
        version=("kube-apiserver", "--version"),
        multicall="kube",
    ),
    "coredns": Suite(
        programs=("coredns",),
        release=f"{_COREDNS}/coredns_{{version}}_linux_{{machine}}.tgz",
        sums=f"{_COREDNS}/{{file}}.sha256",
        modules=("github.com/coredns/coredns",),
        packages={"coredns": "github.com/coredns/coredns"},
        version=("coredns", "--version"),
    ),
    "versitygw": Suite(
        programs=("versitygw",),
        release=f"{_VERSITYGW}/versitygw_v{{version}}_Linux_{{machine}}.tar.gz",  # which calls machines by other names: Go builds it
        sums=f"{_VERSITYGW}/checksums.txt",
        modules=("github.com/versity/versitygw",),
        packages={"versitygw": "github.com/versity/versitygw/cmd/versitygw"},
        version=("versitygw", "--version"),
    ),
    "crictl": Suite(
        programs=("crictl",),
        release=f"{_CRICTL}/crictl-v{{version}}-linux-{{machine}}.tar.gz",
        sums=f"{_CRICTL}/crictl-v{{version}}-linux-{{machine}}.tar.gz.sha256",
        modules=("sigs.k8s.io/cri-tools",),
        packages={"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
        version=("crictl", "--version"),
        stamp="sigs.k8s.io/cri-tools/pkg/version.Version",
    ),
    "kube-router": Suite(
        programs=("kube-router",),
        release=f"{_KUBE_ROUTER}/kube-router_{{version}}_linux_{{machine}}.tar.gz",
        sums=f"{_KUBE_ROUTER}/kube-router_{{version}}_checksums.txt",
        modules=("github.com/cloudnativelabs/kube-router/v2",),
        packages={"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"},
        version=("kube-router", "--version"),
    ),
    "csi-sanity": Suite(
        programs=("csi-sanity",),
        release="",  # none
        sums="",
        modules=("github.com/kubernetes-csi/csi-test/v5",),
        packages={"csi-sanity": "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"},
        version=("csi-sanity", "--version"),
        stamp="main.VERSION",
    ),
    "csi-snapshotter": Suite(
        programs=("snapshot-controller", "csi-snapshotter"),
        release="",  # images only
        sums="",
        modules=(f"{_SNAPSHOTTER}/v8", f"{_SNAPSHOTTER}/client/v8"),
        packages={
            "snapshot-controller": f"{_SNAPSHOTTER}/v8/cmd/snapshot-controller",
            "csi-snapshotter": f"{_SNAPSHOTTER}/v8/cmd/csi-snapshotter",
        },
        version=("snapshot-controller", "--version"),
        stamp="main.version",
        data=tuple(
            (f"{_SNAPSHOTTER}/client/v8", f"config/crd/snapshot.storage.k8s.io_{kind}.yaml")
            for kind in ("volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses")
        ),
    ),
    "csi-provisioner": Suite(
        programs=("csi-provisioner",),
        release="",
        sums="",
        modules=("github.com/kubernetes-csi/external-provisioner/v6",),
        packages={"csi-provisioner": "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"},
        version=("csi-provisioner", "--version"),
        stamp="main.version",
    ),
    "csi-attacher": Suite(
        programs=("csi-attacher",),
        release="",
        sums="",
        modules=("github.com/kubernetes-csi/external-attacher/v4",),
        packages={"csi-attacher": "github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher"},
        version=("csi-attacher", "--version"),
        stamp="main.version",
    ),
    "velero": Suite(
        programs=("velero",),
        release=f"{_VELERO}/velero-v{{version}}-linux-{{machine}}.tar.gz",
        sums=f"{_VELERO}/CHECKSUM",
        modules=("github.com/vmware-tanzu/velero",),
        packages={"velero": "github.com/vmware-tanzu/velero/cmd/velero"},
        version=("velero", "version"),
        pins=("k8s.io/cli-runtime@v0.33.13",),  # it asks for v0.33.12
        stamp="github.com/vmware-tanzu/velero/pkg/buildinfo.Version",
    ),
    "velero-plugin-for-aws": Suite(
        programs=("velero-plugin-for-aws",),
        release="",  # an image only
        sums="",
        modules=("github.com/vmware-tanzu/velero-plugin-for-aws",),
        packages={"velero-plugin-for-aws": "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"},
        version=("velero-plugin-for-aws", ""),  # it knows none
    ),
}
