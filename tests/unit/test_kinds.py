"""Kinds of fault that real clusters showed, held by rules over all of the code (../shared/field-cases.md).

Each exception stands here with its reason. One that is no longer needed fails, too.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONSTANT = re.compile(
    r"127\.0\.0\.1|::1\b|\b(2379|2380|10248|10249|10250|10257|10259|6443)\b|cluster\.local|/etc/kubernetes|/var/lib/(etcd|kubelet)|10\.96\."
)
"""What a cluster says in its own words."""

CONSTANTS = {
    "the defaults of the programs themselves, where neither flag nor configuration says another": (
        "tasks/core/probes/node_shape.py",
        "tasks/core/models/shape.py",
        "tasks/core/models/kubeadm.py",
        "tasks/core/models/profile/access.py",
        "tasks/core/probes/addresses.py",
        "tasks/certificates/models/inventory.py",
        "tasks/certificates/observe.py",
        "tasks/certificates/probes/certificates.py",
        "tasks/certificates/probes/closer.py",
        "tasks/cert_rotation/probes/proofs.py",
        "tasks/cert_rotation/probes/serving_requests.py",
        "tasks/ca_rotation/models.py",
        "tasks/upgrade/kubelet_server.py",
        "tasks/registries/probes/image_facts.py",  # where the kubelet looks for credentials of its node
        "tasks/registries/probes/mirrors.py",
    ),
    "what is made from nothing, as kubeadm makes it": (
        "tasks/certificate_issue/models.py",
        "tasks/certificate_issue/policy/leaves.py",
    ),
    "where kubeadm itself writes, whatever a cluster says": (
        "tasks/nodes/probes/node_facts.py",
        "tasks/upgrade/node.py",
        "tasks/upgrade/policy/kubeadm.py",
        "tasks/upgrade/policy/kubelet_traps.py",
        "tasks/upgrade/policy/losses.py",
        "tasks/upgrade/policy/machines.py",
        "tasks/upgrade/policy/manifests.py",
        "tasks/upgrade/probes/evidence.sh",
        "tasks/upgrade/probes/manifests.py",
        "tasks/upgrade/probes/rendering.py",
        "tasks/upgrade/scripts/__init__.py",
    ),
    "where kubelet and the container runtimes have their data by default: those file systems keep a part free": (
        "tasks/volumes/models/places.py",
    ),
    "an example in an error": ("tasks/core/models/profile/words.py",),
}
"""Reason to the files that may have one."""

READER = re.compile(r"(^|[|;(\s])(sed|awk|grep|cut)\b")
"""Programs that read lines: fine for /proc and for our own output, not for YAML, JSON, deb822 or a kubeconfig."""

READERS = {
    "/proc and other formats of the kernel, a line each": (
        "tasks/certificates/probes/look.lib.sh",
        "tasks/check/probes/look_at_login.sh",  # the user database: fields between colons
        "tasks/control_plane/scripts/processes.lib.sh",
        "tasks/network_policy/probes/pods.lib.sh",
        "tasks/node_work/probes/runtime.sh",
        "tasks/nodes/probes/look.sh",  # and the words of flags, and du's first column
        "tasks/os_patch/probes/state.lib.sh",  # and formats that dpkg, rpm and needrestart have for programs
        "tasks/registries/probes/look_at_images.sh",
    ),
    "formats that we ask dpkg, rpm, dnf and zypper for": (
        "tasks/nodes/probes/packages.lib.sh",
        "tasks/nodes/probes/repositories.lib.sh",
        "tasks/os_patch/probes/look.sh",
        "tasks/os_patch/scripts/patch.lib.sh",
    ),
    "apt's simulation, in LC_ALL=C: it has no other form": ("tasks/os_patch/scripts/planned.lib.sh",),
    "GRUB's menu and environment: they have no other form": ("tasks/os_patch/probes/boot_menu.lib.sh",),
    "the first word of a checksum, of du, or of a name of a file": (
        "tasks/backup/scripts/read_back.sh",
        "tasks/backup/scripts/take_snapshot.sh",
        "tasks/cluster/look_at_shape.sh",
        "tasks/control_plane/probes/look_at_member.sh",
        "tasks/restore/scripts/prepare.sh",
        "tasks/volumes/probes/look_at_place.sh",
        "tasks/volumes/scripts/read_archive.sh",
        "tasks/volumes/scripts/restored.lib.sh",  # and lines of our own list
        "tasks/volumes/scripts/streams.lib.sh",
    ),
    "PEM, block by block": (
        "tasks/backup/probes/certificates_in.sh",
        "tasks/certificates/scripts/install_for_kubelet.sh",
    ),
    "a header of HTTP": ("tasks/backup/scripts/send.lib.sh",),
    "what we print or name ourselves": (
        "tasks/core/words.lib.sh",
        "tasks/clients/ssh/start_job.sh",
        "tasks/nodes/probes/ask_repositories.sh",  # and apt-cache madison's columns
        "tasks/nodes/probes/machine.lib.sh",
        "tasks/run/probes/records.sh",
        "tasks/upgrade/scripts/stage.sh",
        "tasks/volumes/probes/look_at_folder.sh",  # and the first line of --version
        "tasks/volumes/scripts/archive.sh",
        "tasks/volumes/scripts/fill.sh",
        "tasks/volumes/scripts/folder.lib.sh",
    ),
    "a kubeconfig whose secrets are hidden before the worker parses it: a key never leaves the node": (
        "tasks/core/masked.lib.sh",
    ),
    "a kubeconfig that was found to have one key and one value a line, for what is written on the node itself": (
        "tasks/cert_rotation/scripts/pairs.lib.sh",
        "tasks/cert_rotation/scripts/refresh.sh",
        "tasks/core/lib.sh",
        "tasks/core/plain.lib.sh",
    ),
    "what people are shown": (
        "tasks/cert_rotation/probes/diagnostics.sh",
        "tasks/os_patch/probes/evidence.sh",
        "tasks/upgrade/probes/evidence.sh",
        "tasks/upgrade/probes/render_manifests.sh",
    ),
    "containerd's own dump of its configuration: what may be secret in it stays on the node": (
        "tasks/nodes/probes/containerd.lib.sh",  # and words of /proc
        "tasks/volumes/probes/look_at_runtime.sh",
    ),
    "ctr's table of tasks: it has no other form": ("tasks/volumes/scripts/container.lib.sh",),
    "bytes of a question to a DNS server": ("tasks/node_work/probes/service_path.sh",),
}
"""What is read to the scripts that may read it line by line."""


def _python() -> Iterator[tuple[str, int, str]]:
    """Texts and numbers of the code, without docstrings, descriptions and examples of fields."""
    for folder in ("tasks", "flows"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file.name.startswith("rpc_pb2"):
                continue
            tree = ast.parse(file.read_text())
            passed = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    passed.add(id(node.value))
                if isinstance(node, ast.keyword) and node.arg in {"description", "examples", "json_schema_extra"}:
                    passed |= {id(one) for one in ast.walk(node.value)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and id(node) not in passed and isinstance(node.value, str | int):
                    yield str(file.relative_to(ROOT)), node.lineno, str(node.value)


def _shell() -> Iterator[tuple[str, int, str]]:
    """Lines of the scripts, without comments."""
    for file in sorted((ROOT / "tasks").rglob("*.sh")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if not line.lstrip().startswith("#"):
                yield str(file.relative_to(ROOT)), number, line


def test_no_constant_stands_for_what_a_cluster_says() -> None:
    """Addresses, ports, folders and domains come from the shape of the cluster."""
    found = [(file, line, text) for file, line, text in (*_python(), *_shell()) if CONSTANT.search(text)]
    _only_those_of(CONSTANTS, found)


def test_a_program_that_reads_lines_reads_no_paragraphs() -> None:
    """YAML, JSON and the like are read by parsers, on the worker."""
    found = [(file, number, line) for file, number, line in _shell() if READER.search(line)]
    _only_those_of(READERS, found)


def _only_those_of(allowed: Mapping[str, Sequence[str]], found: Sequence[tuple[str, int, str]]) -> None:
    known = [file for files in allowed.values() for file in files]
    strange = [f"{file}:{line}: {text}" for file, line, text in found if file not in known]
    assert not strange, "\n".join(strange)
    assert sorted(known) == sorted({file for file, _, _ in found})
