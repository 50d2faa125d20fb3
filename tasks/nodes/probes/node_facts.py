"""A machine as an upgrade or a patch has to know it: one question over SSH, which changes nothing, and its parser."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tasks.control_plane.probes.manifests import image_of
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.nodes.models.nodes import NodeFacts, PackageManager, Packages, StaticPod

PROGRAMS = ("kubeadm", "kubelet", "kubectl")
FLAG_FILES = ("/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet")
UNITS = ("kubelet", "containerd", "crio", "docker")
"""Which of the runtimes is the node's own, the API knows: `tasks/node_work/policy/health.py`."""
KUBELET_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"

MINOR_IN_REPOSITORY = r"core:/stable:/v[0-9]*\.[0-9]*"
"""How the community's repositories, and mirrors of them, name the minor that they hold."""

ASK_SECONDS = 20
"""For the repository of the target."""


def look(target_minor: str = "") -> str:
    """The command. With a target, for example 1.37, it also asks that minor's repository, beside the node's own files."""
    return script(
        __file__,
        "look",
        units=UNITS,
        flag_files=FLAG_FILES,
        ca_rotations=CA_ROTATIONS,
        kubelet_certificate=KUBELET_CERTIFICATE,
        programs=PROGRAMS,
        minor=MINOR_IN_REPOSITORY,
        target=target_minor,
        ask_seconds=ASK_SECONDS,
    )


def glance() -> str:
    """The part of it that tells in a moment whether the node is well: boot, units, static pods, its own API server, jobs."""
    return script(__file__, "glance", units=UNITS)


def ask_what_runs() -> str:
    """The part that has each process say its version by its own program, also one that a package has replaced meanwhile."""
    return script(__file__, "what_runs")


def version_that_runs(stdout: bytes, unit: str) -> str:
    """Of what `ask_what_runs` printed; empty where nothing runs, or what runs is not that program itself (a wrapper)."""
    said = dict(Printed.of(stdout).pairs("runs")).get(unit, "")
    return version_in(said) if said.startswith(CALLED[unit]) else ""


CALLED = {"kubelet": "Kubernetes v", "containerd": "containerd "}
"""How the programs begin to say their version."""


def parse(node: str, stdout: bytes, *, asked: datetime, answered: datetime) -> NodeFacts:
    """What `look` printed; the worker's clock right before the question and right after the answer."""
    told = Printed.of(stdout)
    certificates = _certificates(told.pairs("certificate"))
    config = dict(told.pairs("config"))
    return NodeFacts(
        name=node,
        observed_at=answered,
        clock_offset=_offset(told.one("now"), asked, answered),
        boot_id=told.one("boot"),
        os=told.one("os_ID"),
        os_like=tuple(told.one("os_ID_LIKE").split()),
        os_version=told.one("os_VERSION_ID"),
        kernel=told.one("kernel"),
        cgroup_version=2 if told.one("cgroup") == "cgroup2fs" else 1,
        swap=told.one("swap") == "yes",
        kubeadm=version_in(told.one("kubeadm")),
        kubelet=version_in(told.one("kubelet")),
        kubectl=version_in(told.one("kubectl")),
        containerd=version_in(told.one("containerd")),
        kubelet_runs=version_that_runs(stdout, "kubelet"),
        containerd_runs=version_that_runs(stdout, "containerd"),
        packages=_packages(told),
        free_bytes={path: int(free) for path, free in told.pairs("free") if free.isdigit()},
        etcd_bytes=int(told.one("etcd_bytes") or 0),
        kubelet_flags=tuple(told.one("flags").split()),
        flag_files={file: tuple(flags.split()) for file, flags in told.pairs("flag_file")},
        fail_cgroup_v1=_truth(config.get("failCgroupV1")),
        fail_swap_on=_truth(config.get("failSwapOn")),
        active={unit: state == "yes" for unit, state in told.pairs("active")},
        static_pods=tuple(
            StaticPod(name=name, image=image_of(_decoded(text).decode(errors="replace")))
            for name, text in told.pairs("manifest")
        ),
        certificates={path: found.not_valid_after_utc for path, found in certificates.items()},
        cluster_ca=certificates[_CA].fingerprint(SHA256()).hex() if _CA in certificates else "",
        api_ready=told.one("api_ready"),
        api_version=version_in(told.one("api_version")),
        ca_rotations=told.all("ca_rotation"),
        jobs=told.all("job"),
    )


_CA = "/etc/kubernetes/pki/ca.crt"


def version_in(text: str) -> str:
    """The first version in what a program says of itself, without v: 1.36.3."""
    found = re.search(r"\bv?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)", text)
    return found[1] if found else ""


def _packages(told: Printed) -> Packages:
    manager = told.one("manager")
    return Packages(
        manager=PackageManager(manager),
        installed=dict(told.pairs("installed")),
        held=told.all("held"),
        repositories=dict(told.pairs("repository")),
        candidates=_grouped(told.pairs("candidate")),
        problem=told.one("repository_problem"),
        broken=told.all("broken"),
    )


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(value for other, value in pairs if other == name)) for name, _ in pairs}


def _offset(now: str, asked: datetime, answered: datetime) -> timedelta:
    """Zero while the node's time lies between question and answer: nothing more can be known."""
    there = datetime.fromtimestamp(float(now), UTC) if now else asked
    return max(there - answered, timedelta()) or min(there - asked, timedelta())


def _certificates(pairs: Iterable[tuple[str, str]]) -> dict[str, x509.Certificate]:
    """By path; what cannot be read is not there."""
    found = {}
    for path, text in pairs:
        try:
            found[path] = x509.load_pem_x509_certificate(_decoded(text))
        except ValueError:
            continue
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _truth(text: str | None) -> bool | None:
    return None if text is None else text == "true"
