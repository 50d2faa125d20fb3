"""Whether a cluster works, asked on a control plane node by its own kubectl as its own administrator."""

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.outside import name_of

KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=20s"
OBJECT = "kube-runbooks-restore"
"""The ConfigMap in kube-system that a restore writes."""

NODE_LEASES, LEADER_LEASES = "kube-node-lease", "kube-system"
LEADERS = ("kube-controller-manager", "kube-scheduler")


class Pulse(Model):
    """Signs of life at one moment."""

    leases: dict[str, str]
    """When each was renewed, by its holder's own clock: only a change says something."""
    ready: dict[str, str]
    """Of each node its condition Ready; anything but `True` is not."""


def take_pulse() -> str:
    """The command; its output is for `parse_pulse`."""
    return f"""set -e
{KUBECTL} get nodes -o json
{KUBECTL} get leases -n {NODE_LEASES} -o json
{KUBECTL} get leases -n {LEADER_LEASES} {" ".join(LEADERS)} --ignore-not-found -o json
"""


def parse_pulse(stdout: bytes) -> Pulse:
    """Three lists of JSON, one after the other; `NotYet` where they are not understood."""
    decoder, text = json.JSONDecoder(), stdout.decode(errors="replace")
    found: list[Mapping[str, Any]] = []
    while text := text.lstrip():
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError) as error:
            raise NotYet(f"kubectl printed no JSON: {error}", hint="run kubectl get nodes -o json there") from None
        listed = isinstance(value, dict) and "items" in value
        found += outside.ListPage.read(value, "a list that kubectl printed").items if listed else [value]
        text = text[end:]
    of_kind = {kind: [one for one in found if _kind(one) == kind] for kind in ("Lease", "Node")}
    nodes = {_name(one): _ready(one) for one in of_kind["Node"]}
    return Pulse(leases=renewals_of(of_kind["Lease"]), ready=nodes)


def renewals_of(leases: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Of each that was ever renewed, when that was."""
    told = {_name(one): outside.HeldLease.read(one, name_of("Lease", one)).spec.renew_time for one in leases}
    return {name: renewed for name, renewed in told.items() if renewed}


def what_is_not_alive(before: Pulse, now: Pulse, nodes: tuple[str, ...]) -> dict[str, str]:
    """Of the nodes and of the leaders of controllers, whose lease has not been renewed between, or who is not Ready."""
    wrong = {}
    for name in (*nodes, *LEADERS):
        if now.leases.get(name) in {None, before.leases.get(name)}:
            wrong[name] = "has not renewed its lease"
    for name in nodes:
        if (ready := now.ready.get(name, "the API does not know it")) != "True":
            wrong[name] = f"is not Ready: {ready}"
    return wrong


def write_and_watch(data: Mapping[str, str], old_revision: int) -> str:
    """Writes the object, reads it, watches it from before its write, and opens a watch as an old client would."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": OBJECT, "namespace": "kube-system"},
        "data": dict(data),
    }
    watch = f"/api/v1/namespaces/kube-system/configmaps?watch=1&timeoutSeconds=3&fieldSelector=metadata.name={OBJECT}"
    old = f"/api/v1/namespaces?watch=1&timeoutSeconds=3&resourceVersion={old_revision}"
    return f"""set -e
revision=$({KUBECTL} get --raw '/api/v1/namespaces/kube-system/configmaps?limit=1' | sed -n 's/.*"metadata":{{"resourceVersion":"\\([0-9]*\\)".*/\\1/p')
printf '%s' {shlex.quote(json.dumps(body))} | {KUBECTL} apply --server-side --field-manager=kube-runbooks --force-conflicts -f - > /dev/null
echo "read $({KUBECTL} get configmap -n kube-system {OBJECT} -o 'jsonpath={{.data.id}} {{.metadata.resourceVersion}}')"
echo "watched $({KUBECTL} get --raw "{watch}&resourceVersion=$revision" | tr -d '\\n')"
echo "old $({KUBECTL} get --raw '{old}' 2>&1 | tr -d '\\n' | head -c 400 || true)"
"""


def parse_write(stdout: bytes) -> dict[str, str]:
    """`read` (id and revision), `watched` and `old`."""
    return dict(line.partition(" ")[::2] for line in stdout.decode(errors="replace").splitlines())


def what_did_not_work(told: Mapping[str, str], restore_id: str) -> str:
    """Of the write, its watch, and the old watch, which has to be told that its revision is gone."""
    if told.get("read", "").partition(" ")[0] != restore_id:
        return f"the object that was written reads {told.get('read')!r}"
    if restore_id not in told.get("watched", ""):
        return f"a watch did not see the write: {told.get('watched')!r}"
    if not is_gone(told.get("old", "")):
        return f"a watch from before the restore was not refused: {told.get('old')!r}"
    return ""


def is_gone(answer: str) -> bool:
    """410 Gone, as a status, as an event of the watch, or in kubectl's words."""
    return any(sign in answer for sign in ('"code":410', "(Gone)", "(Expired)"))


def _kind(item: object) -> str:
    return outside.Kind.read(item, "an object that kubectl printed").kind


def _name(item: Mapping[str, Any]) -> str:
    return outside.Named.read(item, name_of("object", item)).metadata.name


def _ready(node: Mapping[str, Any]) -> str:
    for one in outside.Node.read(node, name_of("node", node)).status.conditions:
        if one.type == "Ready":
            return "True" if one.status == "True" else f"{one.status}, {one.message}"
    return "it has no condition Ready"
