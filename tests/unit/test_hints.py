"""Each command and each option that a text names can be typed: the command line's own parser reads it.

A hint is made where the rule is, and the options are made from the flows. This is what keeps them together.
"""

import ast
import importlib
import re
import shlex
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cyclopts import CycloptsError

from kube_runbooks.app import app
from kube_runbooks.catalog import runbooks
from kube_runbooks.options import Option, options_of

ROOT = Path(__file__).parents[2]
CODE = ("flows", "tasks", "kube_runbooks")

OWNERS = {
    "tasks/access": ("access_audit",),
    "tasks/backup": ("etcd_backup_to_s3",),
    "tasks/ca_rotation": ("ca_rotation",),
    "tasks/cert_rotation": ("cert_rotation",),
    "tasks/certificate_issue": ("certificate_issue",),
    "tasks/drain": ("node_drain", "node_os_patch", "node_reboot", "rolling_upgrade"),
    "tasks/etcd": ("etcd_maintenance",),
    "tasks/network_policy": ("access_audit",),
    "tasks/node_service": ("node_drain", "node_uncordon", "node_reboot"),
    "tasks/node_work": ("node_os_patch", "rolling_upgrade"),
    "tasks/nodes": ("rolling_upgrade",),
    "tasks/os_patch": ("node_os_patch",),
    "tasks/registry_credentials": ("registry_credentials",),
    "tasks/resources_restore": ("resources_restore",),
    "tasks/restore": ("etcd_restore_from_s3",),
    "tasks/upgrade": ("rolling_upgrade",),
    "tasks/user_access": ("user_access",),
    "tasks/volumes": ("volumes_backup",),
    "tasks/volumes_restore": ("volumes_restore",),
    "tasks/workloads": ("workload_rollout", "workload_rollback"),
}
"""Maps a folder to the runbooks that show its texts: each of them has the options that these name.

For `node_service` and `workloads` it is one of them, because each of its functions belongs to one.
"""

ANY_OF = ("tasks/node_service/", "tasks/workloads/")
FOR_ALL = ("tasks/core/", "tasks/backup/summary.py", "tasks/run/", "kube_runbooks/")

FOREIGN = frozenset(
    [
        "advertise-address",
        "advertise-client-urls",
        "allow-releaseinfo-change",
        "assumeno",
        "audit",
        "authentication-config",
        "authorization-config",
        "authorization-mode",
        "bind-address",
        "bump-revision",
        "cert-dir",
        "certificate-key",
        "client-ca-file",
        "cluster-signing-cert-file",
        "config",
        "config-dir",
        "config-file",
        "configure",
        "container-runtime-endpoint",
        "control-plane",
        "data-dir",
        "decrypt",
        "dry-run",
        "encryption-provider-config",
        "error-on",
        "etcd-cafile",
        "etcd-certfile",
        "etcd-keyfile",
        "etcd-prefix",
        "etcd-servers",
        "failed",
        "eviction-hard",
        "field-selector",
        "for",
        "force-new-cluster",
        "id",
        "identity",
        "initial-advertise-peer-urls",
        "initial-cluster",
        "initial-cluster-token",
        "kubeconfig",
        "listen-client-urls",
        "listen-peer-urls",
        "log-level",
        "mark-compacted",
        "name",
        "now",
        "overwrite",
        "patch",
        "patches",
        "pod-manifest-path",
        "pool",
        "previous",
        "print-join-command",
        "print-manifest",
        "prune",
        "quota-backend-bytes",
        "raw",
        "replicas",
        "root-dir",
        "rootfs",
        "secure-port",
        "show-managed-fields",
        "tls-sni-cert-key",
        "trusted-ca-file",
        "type",
        "unsafe-no-fsync",
        "upload-certs",
        "wal-dir",
        "write-out",
    ]
)
"""Lists the options of other programs: kubeadm, kubelet, etcd, kube-apiserver, kubectl, dpkg, dnf, prefect."""

ITS_OWN = frozenset(
    {"as", "as-group", "no", "deployment", "force", "help", "kubeconfig", "output", "runbook", "version", "yes", "at"}
)
"""Lists the options that commands other than `run` have themselves."""

COMMAND = re.compile(
    r"kube-runbooks ((?:run|start|access|backups|reports|report|resources|check|deploy|init|approve|deny)\b[^`;,:(\n]*)"
)
OPTION = re.compile(r"(?<![\w-])--(?:no-)?(?P<name>[a-z][a-z-]*[a-z])\b")
PARAMETER = re.compile(r"\boptions\.[a-z]|(?<![\w-])[a-z_]+=(?:true|false|\['?[a-z-]+'?\])|(?<!--)\b(?:mode|stage)=")
SENTENCE = re.compile(r"(?: |^)(?:shows|lists|can|then|says)\b.*")


class Text(NamedTuple):
    """A string of the code; what is filled in is `x`."""

    file: str
    line: int
    text: str


def _value(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "x" for one in node.values)
    return None


def _run_command(node: ast.Call) -> str:
    """What `run_command(flow, *words)` returns, as far as it is written there."""
    flow = _value(node.args[0]) or ""
    words = [_value(one) or "x" for one in node.args[1:] if not isinstance(one, ast.Starred)]
    return " ".join(("kube-runbooks run", flow.replace("_to_s3", "").replace("_from_s3", "").replace("_", "-"), *words))


@cache
def texts() -> tuple[Text, ...]:
    """Every string and every command of the code, without docstrings."""
    return tuple(text for folder in CODE for file in sorted((ROOT / folder).rglob("*.py")) for text in _texts(file))


def _texts(file: Path) -> Iterator[Text]:
    name = str(file.relative_to(ROOT))
    if file.name.startswith("rpc_pb2"):
        return
    tree = ast.parse(file.read_text())
    hidden = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    hidden |= {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in one.values}
    hidden |= {id(key) for one in ast.walk(tree) if isinstance(one, ast.Dict) for key in one.keys}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run_command":
            if _value(node.args[0]):
                yield Text(name, node.lineno, _run_command(node))
        elif isinstance(node, ast.expr) and id(node) not in hidden and (text := _value(node)):
            yield Text(name, node.lineno, text)


def wrong_commands(of: Iterable[Text]) -> list[str]:
    """Each command that the parser does not take. A verb alone, as in `kube-runbooks backups`, is a name."""
    wrong = []
    for one in of:
        for found in COMMAND.finditer(one.text):
            typed = SENTENCE.sub("", found[1].strip()).strip(" .")
            try:
                if " " in typed and not typed.endswith("x --help"):
                    app.parse_args(shlex.split(typed), exit_on_error=False, print_error=False)
            except CycloptsError as error:
                if 'value "x"' not in str(error):  # one of several choices is filled in there
                    wrong.append(f"{one.file}:{one.line}: {typed}: {error}")
    return wrong


def wrong_options(of: Iterable[Text]) -> list[str]:
    """Each option that is not one of the runbooks that show the text, nor of another program."""
    return [
        f"{one.file}:{one.line}: --{name} in {one.text!r}"
        for one in of
        for name in (found["name"] for found in OPTION.finditer(COMMAND.sub("", one.text)))
        if name not in FOREIGN and not _has(name, one.file) and not _is_known_here(name, one)
    ]


@cache
def options(flow: str) -> dict[str, Option]:
    """The options of a runbook, as `name-of-it`."""
    function = getattr(importlib.import_module(f"flows.{flow}"), flow).fn
    return {name.replace("_", "-"): option for name, option in options_of(function, {}).items()}


def _owners(file: str) -> tuple[str, ...]:
    return next((flows for folder, flows in OWNERS.items() if file.startswith(f"{folder}/")), ())


def _has(name: str, file: str) -> bool:
    """Does each runbook that shows the texts of this file have the option?"""
    having = [name in options(flow) for flow in _owners(file)]
    return bool(having) and (any(having) if file.startswith(ANY_OF) else all(having))


def _is_known_here(name: str, text: Text) -> bool:
    """Is the text for every runbook, or does it say of which one it is: `--no-drill of etcd-backup`?"""
    having = [one.command for one in runbooks() if name in options(one.flow)]
    if text.file.startswith(FOR_ALL):
        return bool(having) or name in ITS_OWN
    return any(re.search(rf"--(no-)?{name} of {command}\b", text.text) for command in having)


def test_each_command_of_a_text_can_be_typed() -> None:
    """A runbook that exists, with options that it has."""
    assert sum(bool(COMMAND.search(one.text)) for one in texts()) > 40
    wrong = wrong_commands(texts())
    assert not wrong, "\n".join(wrong)


def test_each_option_of_a_text_is_one_of_the_runbooks_that_show_it() -> None:
    """A rule may be shared by several runbooks; an option of another program is in its list."""
    assert sum("--allow-" in one.text for one in texts()) > 10
    wrong = wrong_options(texts())
    assert not wrong, "\n".join(wrong)


def test_no_text_names_a_parameter_instead_of_its_option() -> None:
    """`options.allow_downtime=true` is what the API takes; an operator types `--allow-downtime`."""
    wrong = [
        f"{one.file}:{one.line}: {found[0]} in {one.text!r}"
        for one in texts()
        if " " in one.text and (found := PARAMETER.search(one.text))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_text_has_a_gap_to_fill_in() -> None:
    """`--reason=...` cannot be typed; a cluster is filled in only behind a command, and RUN never."""
    gaps = re.compile(r"--[a-z-]+=(?:\.\.\.|…|<)|\bRUN\b|(?<!--confirm=)(?<!kube-runbooks )\bCLUSTER\b")
    wrong = [
        f"{one.file}:{one.line}: {one.text!r}"
        for one in texts()
        if one.text != "CLUSTER" and gaps.search(re.sub(r"kube-runbooks [a-z -]*CLUSTER", "", one.text))
    ]
    assert not wrong, "\n".join(wrong)


def test_what_cannot_be_typed_is_found() -> None:
    """The guard can fail."""
    file = "tasks/upgrade/policy/versions.py"
    made = [
        Text(file, number, text)
        for number, text in enumerate(
            (
                "add --allow-downtimes",
                "add --old-clients-gone",
                "run `kube-runbooks run etcd-backup x --mode=plan`",
                "run `kube-runbooks run rolling-upgrade x 1.37.2 --options-chain`",
                "kube-runbooks run node-replace x",
                "add --chain, or run `kube-runbooks run rolling-upgrade CLUSTER x --chain`, or --no-drill of etcd-backup",
            )
        )
    ]
    assert [one.split(": ")[0] for one in wrong_options(made)] == [f"{file}:0", f"{file}:1"]
    assert [one.split(": ")[0] for one in wrong_commands(made)] == [f"{file}:2", f"{file}:3", f"{file}:4"]
