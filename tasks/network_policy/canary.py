"""Makes two pods, and finds out with them whether the network enforces policies. Everything it made is removed again.

Connections are tried by SSH from the network namespaces of the pods, so nothing has to be in their image but what listens.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import JSON, KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.network_policy.enforcement import connect, until_closed, until_open
from tasks.network_policy.models import Canary, Enforcement, Leftover, Pair, Pod, Seen
from tasks.network_policy.observe import read_others
from tasks.network_policy.policy.canary import (
    DENY,
    DNS_PODS,
    OURS,
    PODS,
    PORT,
    choose_nodes,
    deny_body,
    image_of,
    judge_before,
    judge_canary,
    namespace_body,
    pod_body,
    why_not_ready,
)
from tasks.network_policy.probes.canary import parse_leftover
from tasks.network_policy.probes.policies import NAMESPACES, parse_pod

CLOSE = timedelta(seconds=30)
"""Limits how long the network may take to follow a policy."""

OPEN = timedelta(seconds=30)
"""Limits how long it may take to know a new pod, and to forget a policy."""

GONE = timedelta(minutes=2)
"""Limits how long the API may take to remove a namespace."""

NO_IMAGE = "no pod in kube-system with the label k8s-app=kube-dns runs CoreDNS: name an image of it with --canary-image"
NO_NODE = "no node of the profile is Ready and takes pods"
NO_SSH = "the profile has no ssh and nodes, so no connection can be tried"


def read_leftovers(kube: KubeClient) -> tuple[Leftover, ...]:
    """Reads the namespaces of canaries."""
    return tuple(parse_leftover(one) for one in kube.heads(NAMESPACES, labelSelector=OURS))


def try_canary(handle: Cluster, run_id: str, *, image: str, timeout: timedelta, check: Callable[[], None]) -> Canary:
    """Returns what a canary shows. Whatever fails is its reason, and what was made is removed.

    `check` asks whether no other run has a canary now. So each canary that exists was left by a run that was interrupted.
    """
    check()
    removed, left = _remove_leftovers(handle.kube)
    found = Canary(removed=removed, left=left)
    if not (handle.profile.ssh and handle.profile.nodes):
        return _unknown(found, NO_SSH)
    kube = handle.kube
    chosen = image or image_of(_read_pods(kube))
    nodes = choose_nodes(_read_nodes(kube), {one.name for one in handle.profile.nodes}, run_id)
    if not chosen or nodes is None:
        return _unknown(found, NO_NODE if chosen else NO_IMAGE)
    name = f"kube-runbooks-canary-{secrets.token_hex(4)}"
    found = found.model_copy(update={"image": chosen, "nodes": tuple(dict.fromkeys(nodes)), "namespace": name})
    until = datetime.now(UTC) + timeout + 4 * OPEN + 2 * GONE
    lefts: list[str] = [left] if left else []
    try:
        check()
        with _namespace(kube, namespace_body(name, run_id, f"{until:%Y-%m-%dT%H:%M:%SZ}"), lefts):
            shown, seconds = _experiment(handle, name, chosen, nodes, timeout, check)
    except RunbookError as error:
        found = _unknown(found, error.problem)
    else:
        found = found.model_copy(update={"enforcement": shown, "seconds": seconds})
    return found.model_copy(update={"left": "; ".join(lefts)})


def _unknown(found: Canary, reason: str) -> Canary:
    return found.model_copy(update={"enforcement": Enforcement(reason=reason)})


def _read_pods(kube: KubeClient) -> list[outside.GivenPod]:
    items = kube.items("/api/v1/namespaces/kube-system/pods", labelSelector=DNS_PODS)
    return [outside.GivenPod.read(one, name_of("pod", one)) for one in items]


def _read_nodes(kube: KubeClient) -> list[outside.Node]:
    return [outside.Node.read(one, name_of("node", one)) for one in kube.items("/api/v1/nodes")]


def _remove_leftovers(kube: KubeClient) -> tuple[tuple[str, ...], str]:
    """Removes what interrupted runs left. It returns their names, and why one is still there."""
    removed, problems = [], []
    for one in read_leftovers(kube):
        try:
            _remove(kube, one)
        except RunbookError as error:
            problems.append(error.problem)
        else:
            removed.append(one.name)
    return tuple(removed), "; ".join(problems)


def _remove(kube: KubeClient, one: Leftover) -> None:
    """Removes this very namespace, and waits until it is gone."""
    path = f"{NAMESPACES}/{one.name}"

    def look() -> None:
        raw = kube.find(path)
        if raw is not None and parse_leftover(raw).uid == one.uid:
            told = outside.WithConditions.read(raw, f"namespace {one.name}").status.conditions
            why = next((each.message for each in told if each.status == "True" and each.message), "it still exists")
            raise NotYet(f"namespace {one.name}: {why}")

    if not one.is_going:
        kube.delete(path, {"preconditions": {"uid": one.uid}})
    wait_for(look, GONE, what=f"namespace {one.name} to be gone", about=one.name)


@contextmanager
def _namespace(kube: KubeClient, body: JSON, lefts: list[str]) -> Iterator[None]:
    """Makes a namespace, and removes it in any case. Why it could not be removed is added to `lefts`."""
    made = parse_leftover(kube.create(NAMESPACES, body))
    try:
        yield
    finally:
        try:
            _remove(kube, made)
        except RunbookError as error:
            log_about(made.name).warning("the namespace of the canary is not gone: %s", error.problem)
            lefts.append(error.problem)


def _experiment(  # noqa: PLR0913, PLR0917 - what a canary is
    handle: Cluster,
    namespace: str,
    image: str,
    nodes: tuple[str, str],
    timeout: timedelta,
    check: Callable[[], None],
) -> tuple[Enforcement, float]:
    """Tries connections without a policy, with one that denies all, and without it again."""
    kube, others = handle.kube, bool(read_others(handle.kube))
    one, two = _start(kube, namespace, image, nodes, timeout)
    pairs = (Pair(one, two, PORT), Pair(two, one, PORT))
    from_nodes = (Pair(None, one, PORT), Pair(None, two, PORT))
    if closed := judge_before(until_open(handle, [*from_nodes, *pairs], OPEN)):
        return Enforcement(reason=closed), 0
    check()
    policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    kube.create(policies, deny_body())
    began = time.monotonic()
    denied = until_closed(handle, pairs, CLOSE)
    seconds = round(time.monotonic() - began, 1)
    controls = connect(handle, from_nodes)
    kube.delete(f"{policies}/{DENY}")
    is_closed = all(each.seen is not Seen.OPEN for each in denied)
    again = until_open(handle, pairs, OPEN) if is_closed else ()
    return judge_canary(controls, denied, again, others=others), seconds if is_closed else 0


def _start(kube: KubeClient, namespace: str, image: str, nodes: tuple[str, str], timeout: timedelta) -> tuple[Pod, Pod]:
    """Makes the pods, and waits until both are Ready: their kubelet has connected to where they listen."""
    account = f"{NAMESPACES}/{namespace}/serviceaccounts/default"

    def look_at_account() -> None:
        if kube.find(account) is None:
            raise NotYet(f"ServiceAccount {namespace}/default does not exist yet")

    wait_for(look_at_account, OPEN, what="pods to be allowed", about=namespace)
    pods = f"{NAMESPACES}/{namespace}/pods"
    for name, node in zip(PODS, nodes, strict=True):
        kube.create(pods, pod_body(name, image, node))

    def look() -> tuple[Pod, Pod]:
        raws = [kube.get(f"{pods}/{name}") for name in PODS]
        for raw in raws:
            if why := why_not_ready(outside.PodProgress.read(raw, name_of("pod", raw))):
                raise NotYet(why)
        found = [one for one in map(parse_pod, raws) if one and one.addresses]
        if len(found) < len(PODS):
            raise NotYet("a pod of the canary has no address in the network of pods")
        return found[0], found[1]

    return wait_for(look, timeout, what="the pods of the canary to be Ready", about=namespace)
