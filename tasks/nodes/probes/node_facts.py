"""Queries all that an upgrade or a patch has to know about a node, over SSH, and parses the answer.

It is a single query, which changes nothing.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import ValidationError

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import API_SERVER, ETCD, ORDER
from tasks.core.models.outside import from_yaml
from tasks.core.models.shape import NodeShape
from tasks.core.probes.kubelet_config import overlaid
from tasks.core.probes.printed import Printed
from tasks.core.probes.static_pods import doubles_in, image_of
from tasks.core.shell import Value, script
from tasks.nodes.models.nodes import NodeFacts, Packages, StaticPod
from tasks.nodes.probes.repositories import minors_of
from tasks.nodes.probes.sources import sources_in

PROGRAMS = ("kubeadm", "kubelet", "kubectl")
FLAG_FILES = ("/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet")
UNITS = ("kubelet", "containerd", "crio", "docker")
"""Lists the systemd units of the kubelet and the container runtimes.

The API knows which runtime the node uses: see `tasks/node_work/policy/health.py`.
"""
KUBELET_CERTIFICATE = "kubelet-client-current.pem"
"""Names the client certificate in the kubelet's own certificate folder."""


def look(shape: NodeShape, kubeadm: PurePosixPath) -> str:
    """Returns the command that queries a node.

    It covers the node's own files. `sources.py` also queries what the repositories of another minor have.

    Args:
        shape: of the node
        kubeadm: its folder, with kubeconfigs in it
    """
    etcd = shape.pods.get(ETCD)
    return script(
        __file__,
        "look",
        flag_files=FLAG_FILES,
        ca_rotations=CA_ROTATIONS,
        kubelet_config=shape.kubelet.config,
        kubelet_certificate=shape.kubelet.pki / KUBELET_CERTIFICATE,
        pki=shape.pki or "",
        kubeconfigs=kubeadm,
        etcd_data=etcd.files.get("data-dir", "") if etcd else "",
        programs=PROGRAMS,
        pods=ORDER,
        **_glanced_at(shape),
    )


def glance(shape: NodeShape) -> str:
    """Returns the shorter command that shows quickly whether the node is healthy.

    It reads boot, units, static pods, the node's own API server, and jobs.
    """
    return script(__file__, "glance", **_glanced_at(shape))


def _glanced_at(shape: NodeShape) -> dict[str, Value]:
    """Returns the values that both commands need.

    The API server queries itself: its client certificate for kubelets is valid for that, too.
    """
    files = shape.pods[API_SERVER].files if shape.is_control_plane else {}
    return {
        "units": UNITS,
        "manifests": shape.kubelet.manifests,
        "api_server": shape.api_server.text if shape.api_server else "",
        "api_ca": files.get("client-ca-file", ""),
        "api_client": files.get("kubelet-client-certificate", ""),
        "api_key": files.get("kubelet-client-key", ""),
    }


def ask_what_runs() -> str:
    """Returns the command that makes each running process report its version with its own program.

    This works even if a package has replaced the program meanwhile.
    """
    return script(__file__, "what_runs")


def version_that_runs(stdout: bytes, unit: str) -> str:
    """Returns the version of a unit from the output of `ask_what_runs`.

    It is empty if nothing runs, or if what runs is not that program itself (a wrapper).
    """
    said = dict(Printed.of(stdout).pairs("runs")).get(unit, "")
    return version_in(said) if said.startswith(CALLED[unit]) else ""


CALLED = {"kubelet": "Kubernetes v", "containerd": "containerd "}
"""Maps each program to the text that precedes its version in its output."""


def parse(node: str, stdout: bytes, shape: NodeShape, *, asked: datetime, answered: datetime) -> NodeFacts:
    """Parses the output of `look` or `glance` for a node of this shape.

    `asked` and `answered` are the worker's clock right before the question and right after the answer. A node whose
    systemd does not answer counts as unreachable: nobody knows whether one of our jobs runs there.
    """
    told = Printed.of(stdout)
    if words := told.all("silent"):
        problem = f"systemd does not say what runs there: {words[0] or 'nothing at all'}"
        return NodeFacts(name=node, observed_at=answered, unreached=f"{node}: {problem}")
    inside, not_parsed = _inside(told.pairs("kubeconfig"))
    certificates, unread = _certificates((*told.pairs("certificate"), *inside))
    own, problem = _kubelet_config(told.one("kubelet_config"), shape.kubelet.config)
    config = overlaid(own, shape.kubelet.overrides)
    authority = str(shape.pki / "ca.crt") if shape.pki else ""
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
        packages=_packages(told, stdout),
        free_bytes={unquote(path): int(free) for path, free in told.pairs("free") if free.isdigit()},
        etcd_bytes=int(told.one("etcd_bytes") or 0),
        kubelet_flags=tuple(told.one("flags").split()),
        flag_files={file: tuple(flags.split()) for file, flags in told.pairs("flag_file")},
        fail_cgroup_v1=_switch(config, "failCgroupV1"),
        fail_swap_on=_switch(config, "failSwapOn"),
        fail_cgroup_v1_stays=_switch(overlaid({}, shape.kubelet.overrides), "failCgroupV1"),
        active={unit: state == "yes" for unit, state in told.pairs("active")},
        static_pods=tuple(
            StaticPod(name=name, image=image_of(_decoded(text).decode(errors="replace")))
            for name, text in told.pairs("manifest")
        ),
        doubles=doubles_in(
            (unquote(name), _decoded(text).decode(errors="replace")) for name, text in told.pairs("other")
        ),
        certificates={path: found.not_valid_after_utc for path, found in certificates.items()},
        unread=(
            *unread,
            *not_parsed,
            *(f"{unquote(path)}: {why}" for path, why in told.pairs("unread")),
            *filter(None, [problem]),
        ),
        cluster_ca=certificates[authority].fingerprint(SHA256()).hex() if authority in certificates else "",
        api_ready=told.one("api_ready"),
        api_version=_git_version(told.one("api_version")),
        ca_rotations=told.all("ca_rotation"),
        jobs=told.all("job"),
    )


def _switch(config: Mapping[str, Any], name: str) -> bool | None:
    """Returns a switch, or None if it is not set or is no switch."""
    value = config.get(name)
    return value if isinstance(value, bool) else None


def _kubelet_config(text: str, path: PurePosixPath) -> tuple[Mapping[str, Any], str]:
    """Returns the kubelet's configuration file, or why it could not be read."""
    if not text:
        return {}, ""
    try:
        found = from_yaml(_decoded(text).decode(errors="replace"), str(path))
    except NotYet as error:
        return {}, error.problem
    if not isinstance(found, dict):
        return {}, f"{path}: it is no KubeletConfiguration"
    return found, ""


def _git_version(text: str) -> str:
    """Returns the version from an API server's answer to /version, given in base64.

    It is empty if the answer is something else.
    """
    try:
        return outside.Version.model_validate_json(_decoded(text)).git_version.removeprefix("v")
    except ValidationError:
        return ""


def version_in(text: str) -> str:
    """Returns the first version in the output of a program, without v, as in 1.36.3."""
    found = re.search(r"\bv?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)", text)
    return found[1] if found else ""


def _packages(told: Printed, stdout: bytes) -> Packages:
    sources = sources_in(stdout)
    return Packages(
        manager=sources.manager,
        installed=dict(told.pairs("installed")),
        held=told.all("held"),
        unknown=told.all("unknown"),
        repositories=minors_of(sources.files),
        broken=told.all("broken"),
    )


def _offset(now: str, asked: datetime, answered: datetime) -> timedelta:
    """Returns the clock offset of the node.

    It is zero while the node's time lies between question and answer: nothing more can be known.
    """
    there = datetime.fromtimestamp(float(now), UTC) if now else asked
    return max(there - answered, timedelta()) or min(there - asked, timedelta())


def _inside(pairs: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """Returns the client certificate of each kubeconfig in base64, and why a kubeconfig could not be parsed.

    A kubeconfig without a client certificate adds nothing.
    """
    found, unread = [], []
    for word, text in pairs:
        path = unquote(word)
        try:
            config = outside.KnownKubeconfig.read(from_yaml(_decoded(text), path), path)
        except NotYet as error:
            unread.append(error.problem)
            continue
        users = (config.user, *(entry.user for entry in config.users))
        if data := next((user.client_certificate_data for user in users if user.client_certificate_data), ""):
            found.append((word, data))
    return found, unread


def _certificates(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, x509.Certificate], tuple[str, ...]]:
    """Parses the certificates by path, and lists those that cannot be read, with the reason."""
    found, unread = {}, []
    for word, text in pairs:
        path = unquote(word)
        try:
            found[path] = x509.load_pem_x509_certificate(_decoded(text))
        except ValueError:
            unread.append(f"{path}: it is no certificate in PEM")
    return found, tuple(unread)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
