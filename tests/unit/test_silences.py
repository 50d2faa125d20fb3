"""Absence is not read as health: each place that passes over an error stands here, with why what is missing then harms nothing.

A file has as many places as it says: one more is asked for its reason, and one that is gone goes here, too. What a place may not do is to
make an empty list, a no or a zero of an answer that was not given: that is a fact with a reason, and decisions name it.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Allowed = Mapping[str, Mapping[str, int]]
"""Reason to the files that have it, with the number of places."""

SILENCE = re.compile(r"\|\| *(?:true|:)(?! *>)(?=[\s;)]|$)|(?:2|&)> ?/dev/null|> ?/dev/null 2>&1|\bset \+e\b")

SHELL: Allowed = {
    "an answer that is missing is told as that: empty is a value of its own that its parser names": {
        "tasks/ca_rotation/probes/look_at_trust.sh": 1,  # `-`: no private key that openssl reads
        "tasks/cert_rotation/probes/health.lib.sh": 1,  # curl's status is told
        "tasks/node_work/probes/service_path.sh": 1,  # "no answer"
        "tasks/nodes/probes/look.sh": 5,  # versions that are empty are no target's, and "its size is not known"
        "tasks/nodes/probes/running.lib.sh": 1,  # the API says the version of a kubelet that does not
        "tasks/os_patch/probes/boot_menu.lib.sh": 1,  # "which kernel its boot loader starts by default is not known"
        "tasks/os_patch/probes/state.lib.sh": 3,  # "systemd says nothing", a clock that says nothing, and `reboot_unknown`
        "tasks/upgrade/probes/look_at_manifests.sh": 1,  # without a version nothing is rendered, and the plan says so
        "tasks/certificates/probes/look.sh": 2,  # "kubeadm says no version"; more addresses to try than the flags have
        "tasks/certificates/probes/look.lib.sh": 2,  # "it cannot be read"; a public half that is empty is of no certificate
        "tasks/core/masked.lib.sh": 3,  # `-` for a key that openssl does not read; a field that is no base64 is shown as it is
        "tasks/control_plane/scripts/processes.lib.sh": 4,  # "the processes cannot be read"; and a process that has just ended
    },
    "what is not there is looked for in another way, and named there": {
        "tasks/certificates/probes/look_closer.sh": 2,  # the files that flags name are told one by one, also as absent
    },
    "no key and certificate that fit: it is made anew, or refused": {
        "tasks/cert_rotation/scripts/pairs.lib.sh": 7,
        "tasks/certificates/scripts/ask_for_kubelet.sh": 3,
        "tasks/certificates/scripts/sign_for_kubelet.sh": 1,
        "tasks/certificate_issue/scripts/make_requests.sh": 1,  # dots of openssl; its status ends the script
    },
    "a mark that cannot be read is no mark: what it would allow is not done": {
        "tasks/restore/scripts/prepare.sh": 1,
        "tasks/restore/scripts/swap.sh": 1,
    },
    "a figure that is shown, and decides nothing": {
        "tasks/control_plane/probes/look_at_member.sh": 1,
    },
    "the words beside an answer; the answer is the output": {
        "tasks/nodes/probes/repositories.lib.sh": 1,  # no index: "no repository has answered"
    },
    "shown to people, beside what decides": {
        "tasks/backup/scripts/send.lib.sh": 2,
        "tasks/cert_rotation/probes/diagnostics.sh": 1,
        "tasks/os_patch/probes/evidence.sh": 5,
        "tasks/upgrade/probes/evidence.sh": 3,
    },
    "what the command of a hook prints may hold a secret; its status is the answer": {
        "tasks/volumes/scripts/container.lib.sh": 3,  # and what it leaves may have ended before it is killed
    },
    "a timer that goes off later finds nothing frozen": {"tasks/volumes/scripts/thaw.sh": 2},
    "who has dpkg's lock is shown: apt itself waits for it": {"tasks/os_patch/probes/state.lib.sh": 1},
    "the version is compared right after it: empty is another one": {
        "tasks/upgrade/scripts/install_kubelet.sh": 1,
        "tasks/upgrade/scripts/stage.sh": 1,
        "tasks/upgrade/scripts/upgrade_by_kubeadm.sh": 1,
    },
    "a machine that goes down may not answer any more; the order is given again where it does not": {
        "tasks/os_patch/scripts/reboot_once.sh": 1,
    },
    "there is nothing to reset, end or remove any more; what needs it comes right after, and fails by itself": {
        "tasks/backup/scripts/until_stdin_ends.sh": 2,
        "tasks/cert_rotation/scripts/end.sh": 1,
        "tasks/cert_rotation/scripts/refresh.sh": 1,  # grep's status for none, and it prints 0
        "tasks/certificate_issue/scripts/put_in_place.sh": 2,
        "tasks/certificates/scripts/install_for_kubelet.sh": 2,
        "tasks/certificates/scripts/point_kubelet.sh": 2,
        "tasks/control_plane/scripts/etcd_unit.lib.sh": 1,
        "tasks/control_plane/scripts/park.sh": 1,
        "tasks/os_patch/scripts/install.sh": 1,  # downloads that stay; the packages are installed
        "tasks/restore/scripts/end.sh": 2,  # a folder with data stays, and was named
        "tasks/restore/scripts/swap_back.sh": 2,
        "tasks/upgrade/scripts/trim_backups.sh": 2,
    },
}

ASKED = (
    *(
        "systemctl",
        "busctl",
        "timedatectl",
        "dpkg-query",
        "rpm",
        "apt-get",
        "apt-cache",
        "apt-mark",
        "dnf",
        "zypper",
    ),
    *("needrestart", "grubby", "lslocks", "kubectl", "crictl", "etcdctl", "etcdutl", "tar", "curl", "openssl"),
)
"""Programs that are asked for what decisions are made of. At the beginning of a pipe nobody hears that they failed."""

LOST = re.compile(
    rf"(?:^|[;({{]|\b(?:do|then|if|else)\b|\|\||&&)\s*(?:with_copies \"?\S+ )?(?:{'|'.join(ASKED)})(?=\s)"
    r"(?:[^|\"'\n)]|\"[^\"]*\"|'[^']*')*[^|]\|(?!\|)",
    re.MULTILINE,
)

PIPES: Allowed = {
    "empty is a value of its own that its parser names": {
        "tasks/ca_rotation/probes/look_at_trust.sh": 1,  # `-`
        "tasks/certificates/probes/look.lib.sh": 1,  # a public half that is empty is of no certificate
        "tasks/certificates/probes/look_closer.sh": 1,
        "tasks/certificate_issue/scripts/make_requests.sh": 1,  # a request that is none is refused by who signs
        "tasks/cluster/look_at_shape.sh": 1,  # "no flags of the kubelet"
        "tasks/control_plane/probes/look.sh": 2,  # "systemctl does not say whether there is an etcd.service"; nor of the kubelet
        "tasks/nodes/probes/look.sh": 1,
        "tasks/os_patch/probes/boot_menu.lib.sh": 1,
    },
    "rpm's status is the number of packages that are not there; whether it reads its database was asked right before": {
        "tasks/nodes/probes/packages.lib.sh": 1,
        "tasks/os_patch/probes/state.lib.sh": 1,
    },
    "shown to people": {
        "tasks/os_patch/probes/evidence.sh": 1,
        "tasks/os_patch/probes/state.lib.sh": 1,  # who has dpkg's lock
        "tasks/upgrade/probes/evidence.sh": 1,
    },
}

UNCHECKED: Allowed = {
    "each status is told apart right after it": {
        "tasks/backup/node_snapshots.py": 1,
        "tasks/backup/pki.py": 2,
        "tasks/clients/ssh/jobs.py": 1,
        "tasks/clients/ssh/node.py": 1,
        "tasks/clients/ssh/shell.py": 1,
        "tasks/gates/observe.py": 1,
    },
    "what is missing in the answer is told by its parser: not ready, no CA that is shown, no program that has two versions": {
        "tasks/backup/scratch_etcd.py": 1,
        "tasks/cert_rotation/observe.py": 2,
        "tasks/restore/observe.py": 1,
    },
    "shown to people": {"tasks/os_patch/reboot.py": 1},
}

SUPPRESSED: Allowed = {
    "what is closed is closed": {
        "tasks/clients/kube/link.py": 1,
        "tasks/clients/ssh/command.py": 3,
        "tasks/clients/ssh/transport.py": 3,
        "tasks/clients/ssh/tunnel.py": 1,
    },
    "the first error is raised; this would have been the second one": {
        "tasks/backup/store.py": 1,  # the manifest that was to be put back is told as gone
        "tasks/clients/objectstore/trial.py": 1,
        "tasks/upgrade/node.py": 1,
    },
    "what is there is read, and compared, right after it": {
        "tasks/backup/manifests.py": 1,
        "tasks/cert_rotation/pods.py": 1,
    },
    "a lock that is not given back ends by itself, and others wait for it": {"tasks/run/lock_keepers.py": 1},
    "the same text is among the problems": {"tasks/certificates/probes/closer.py": 1},
    "a wait that ends: what is still open is in the result, and is a finding": {
        "tasks/network_policy/enforcement.py": 1
    },
}

PASSED_OVER: Allowed = {
    "nothing, or None, is told by who asked: as not understood, as not there, or as a problem": {
        "tasks/backup/models/backups.py": 1,
        "tasks/volumes/models/backups.py": 1,
        "tasks/backup/probes/origin.py": 1,  # "no control plane node shows its CA"
        "tasks/backup/probes/pki.py": 1,
        "tasks/ca_rotation/probes/api.py": 1,  # a token of a key that is not known is one to be replaced
        "tasks/ca_rotation/probes/trust.py": 1,
        "tasks/cert_rotation/policy/before.py": 1,
        "tasks/certificates/probes/answer.py": 2,
        "tasks/core/probes/inhibitors.py": 1,  # "its list of inhibitors could not be parsed"
        "tasks/certificates/probes/kubeconfigs.py": 1,
        "tasks/clients/ssh/known_hosts.py": 2,
        "tasks/core/probes/static_pods.py": 3,  # "it has no flags that are understood"; "not CERTIFICATE,KEY"
        "tasks/core/probes/yaml_edit.py": 1,  # what is not what was wanted is refused
        "tasks/node_work/policy/earlier.py": 1,
        "tasks/nodes/probes/node_facts.py": 2,
        "tasks/nodes/probes/sources.py": 1,
        "tasks/os_patch/probes/facts.py": 2,
        "tasks/volumes/probes/runtime.py": 1,  # "it names no folder", with what it said
        "tasks/run/policy/evidence.py": 1,
        "tasks/run/probes/records.py": 2,  # that there is a record counts
        "tasks/upgrade/probes/manifests.py": 1,
        "tasks/upgrade/policy/plan.py": 1,  # a version that is none does not pass: the plan refuses it
        "tasks/certificate_issue/observe.py": 1,  # another folder than the one that is written to
        "tasks/registries/probes/image_facts.py": 3,  # whether it is there is not known; a reason without words; "could not be parsed"
        "tasks/registries/probes/registry.py": 2,  # an answer without a body: its status counts
    },
    "what somebody else changed is read and checked again": {
        "tasks/user_access/signing.py": 1,
        "tasks/volumes/remove.py": 1,  # another snapshot has its name now: ours is gone
        "tasks/volumes_restore/act.py": 1,  # an earlier attempt has created it: its mark is checked
        "tasks/volumes/steps.py": 1,  # an earlier attempt has created it: it is judged as all are
    },
    "it is what was wanted": {
        "tasks/clients/objectstore/trial.py": 1,  # the store knows If-None-Match
        "tasks/resources/store.py": 1,  # a pack is named by its bytes; it is compared, and written again if it is corrupt
    },
    "without the marks, the grace time begins again, and nothing is deleted": {"tasks/resources/cleaning.py": 1},
    "the reason is told in our own words in that branch": {
        "tasks/cert_rotation/probes/records.py": 1,
        "tasks/cert_rotation/probes/serving_requests.py": 1,
        "tasks/user_access/probes/requests.py": 2,
        "tasks/certificates/probes/x509.py": 1,
        "tasks/core/models/profile/words.py": 1,
        "tasks/core/models/recipients.py": 1,
        "tasks/core/probes/kubeconfig.py": 1,
        "tasks/core/probes/node_shape.py": 2,  # what is not read here, `parse` names
        "tasks/node_work/probes/service_path.py": 1,
        "tasks/nodes/probes/node_facts.py": 1,
        "tasks/run/approvals.py": 2,  # an answer that does not fit is no approval
        "tasks/run/probes/lock.py": 1,  # a file that is no record of ours is somebody's
        "tasks/workloads/probes/targets.py": 1,  # a mark that is none of ours: the change is compared and made anew
        "tasks/clients/kube/answer.py": 1,
        "kube_runbooks/run.py": 2,
        "kube_runbooks/server.py": 1,
    },
    "that there is none is what was asked": {
        "tasks/certificates/authority.py": 1,
        "tasks/certificates/probes/x509.py": 3,
        "tasks/certificate_issue/policy/situation.py": 1,
        "tasks/control_plane/probes/etcd_member.py": 1,
        "tasks/core/logs.py": 1,
        "tasks/core/models/names.py": 1,
        "tasks/core/probes/addresses.py": 1,
        "tasks/core/secret_forms.py": 2,
        "tasks/upgrade/probes/addons.py": 1,
        "tasks/run/this_process.py": 3,  # only what is certain counts as gone
    },
    "it is asked again, or somebody else is, until a limit that has an error of its own": {
        "tasks/backup/scratch_etcd.py": 1,
        "tasks/backup/snapshots.py": 1,
        "tasks/cert_rotation/proof.py": 1,
        "tasks/workloads/act.py": 1,  # nothing was written; the last attempt is not caught
        "tasks/clients/kube/link.py": 1,
        "tasks/node_work/proof.py": 1,
        "tasks/drain/budgets.py": 1,
        "kube_runbooks/server.py": 1,  # the last attempt raises it
        "tasks/clients/ssh/node.py": 1,  # likewise
    },
    "the connection is lost, which its other end says": {
        "tasks/clients/ssh/command.py": 2,
        "tasks/clients/ssh/tunnel.py": 4,
    },
    "nothing is approved, and nothing is given back, by what is not known": {
        "tasks/cert_rotation/requests.py": 1,
        "tasks/run/records.py": 1,
    },
}


def _scripts() -> Iterator[tuple[str, str]]:
    """Each with its text: no comments, and a command a line."""
    for file in sorted((ROOT / "tasks").rglob("*.sh")):
        text = re.sub(r"^\s*#.*$", "", file.read_text(), flags=re.MULTILINE)
        yield str(file.relative_to(ROOT)), re.sub(r"\\\n\s*|\n\s*(?=\|)", " ", text)


def _matches(form: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for file, text in _scripts():
        for found in form.finditer(text):
            start = text.rfind("\n", 0, found.end() - 1) + 1
            yield file, text[start : text.find("\n", found.end())].strip()


def _nodes(is_one: Callable[[ast.AST], bool]) -> Iterator[tuple[str, str]]:
    for folder in ("tasks", "flows", "kube_runbooks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file.name.startswith("rpc_pb2"):
                continue
            text = file.read_text()
            for node in ast.walk(ast.parse(text)):
                if is_one(node):
                    line: int = node.lineno  # type: ignore[attr-defined]
                    yield str(file.relative_to(ROOT)), f"{line}: {text.splitlines()[line - 1].strip()}"


def _is_unchecked(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.keyword)
        and node.arg == "check"
        and isinstance(node.value, ast.Constant)
        and not node.value.value
    )


def _suppresses(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}


def _passes_over(node: ast.AST) -> bool:
    """An error that is neither raised again nor looked at."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    inside = [one for part in node.body for one in ast.walk(part)]
    is_used = bool(node.name) and any(isinstance(one, ast.Name) and one.id == node.name for one in inside)
    return not is_used and not any(isinstance(one, ast.Raise) for one in inside)


def _ignores_bytes(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "errors" and ast.unparse(node.value) == "'ignore'"


@pytest.mark.parametrize(
    ("allowed", "found"),
    [
        (SHELL, lambda: _matches(SILENCE)),
        (PIPES, lambda: _matches(LOST)),
        (UNCHECKED, lambda: _nodes(_is_unchecked)),
        (SUPPRESSED, lambda: _nodes(_suppresses)),
        (PASSED_OVER, lambda: _nodes(_passes_over)),
        ({}, lambda: _nodes(_ignores_bytes)),
    ],
    ids=["shell", "pipes", "check=False", "suppress", "except", "errors=ignore"],
)
def test_each_silence_has_its_reason(allowed: Allowed, found: Callable[[], Iterator[tuple[str, str]]]) -> None:
    """And each reason its places."""
    known: Counter[str] = Counter()
    for files in allowed.values():
        known.update(files)
    places = list(found())
    counted = Counter(file for file, _ in places)
    wrong = [
        f"{file}: {counted[file]} places, {known[file]} with a reason"
        for file in sorted({*counted, *known})
        if counted[file] != known[file]
    ]
    shown = [f"  {file}: {text}" for file, text in places if counted[file] > known[file]]
    assert not wrong, "\n".join((*wrong, *shown))


@pytest.mark.parametrize(
    ("text", "silences", "lost"),
    [
        ("x=$(systemctl show a 2> /dev/null) || true", 2, 0),
        ("a >/dev/null 2>&1; b &> /dev/null; c || :", 3, 0),
        ("command -v a > /dev/null || exit 1", 0, 0),
        ("dpkg-query -W -f '${a}|b' | sed s/a/b/", 0, 1),
        ("if said=$(dpkg-query -W -f 'a|b' 2>&1); then echo \"$said\" | sed s/a/b/; fi", 0, 0),
        ("systemctl is-active --quiet a || b", 0, 0),
        ("echo a | systemctl b", 0, 0),
    ],
)
def test_the_forms_are_found(text: str, silences: int, lost: int) -> None:
    """Neither more nor less."""
    assert (len(SILENCE.findall(text)), len(LOST.findall(text))) == (silences, lost)
