"""What a pod reaches, from its own network namespace: real namespaces, and real rules that drop."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.cluster import Cluster
from tasks.core.errors import NotYet
from tasks.network_policy.enforcement import look_at_enforcement
from tasks.network_policy.models import Pair, Seen, Verdict
from tasks.network_policy.probes import reach
from tests.facts.networks import Object, app, networks, pod, policy
from tests.servers.processes import wait_until
from tests.servers.walled import Walled

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")


@pytest.fixture
def walled(tmp_path: Path) -> Iterator[Walled]:
    """It listens."""
    made = Walled(tmp_path)
    yield made
    made.stop()


def _run(command: str, stdin: bytes) -> bytes:
    return subprocess.run(["sh", "-c", command], input=stdin, stdout=subprocess.PIPE, check=True).stdout


def test_a_connection_is_tried_in_the_network_of_the_pod_and_its_rules_count(walled: Walled) -> None:
    """What is open from there is refused from the node, which has another network; a rule that drops is seen."""
    (web,) = networks([], [walled.pod("127.0.0.1")]).pods
    told = _run(reach.listeners_command(), f"{walled.uid}\n".encode())
    assert reach.parse_listeners(told, {walled.uid: "127.0.0.1"}) == {walled.uid: (walled.port,)}
    pairs = [Pair(web, web, walled.port), Pair(None, web, walled.port)]

    def seen() -> list[Seen]:
        return [one for one, _ in reach.parse_reach(_run(reach.reach_command(), reach.in_lines(pairs)), len(pairs))]

    assert seen() == [Seen.OPEN, Seen.REFUSED]
    walled.drop()
    assert seen() == [Seen.DROPPED, Seen.REFUSED]
    walled.stop()
    wait_until(lambda: seen() == [Seen.UNKNOWN, Seen.REFUSED], 30.0, "the process is gone")


class Nodes:
    """A cluster whose node w1 is this computer; no other node answers."""

    def __init__(self) -> None:
        names = [SimpleNamespace(name=name) for name in ("w1", "w2")]
        self.profile = SimpleNamespace(name="prod", ssh=True, nodes=names)

    def shell(self, name: str) -> SimpleNamespace:
        """A shell on one of them."""

        def ask(command: str, stdin: bytes) -> bytes:
            if name != "w1":
                raise NotYet(f"{name}: no answer")
            return _run(command, stdin)

        return SimpleNamespace(ask=ask)


def test_a_network_that_drops_what_policies_deny_enforces_them(tmp_path: Path) -> None:
    """A friend is open at the same time. What a silent node did not try is no closed connection."""
    with ExitStack() as stack:
        web, friend, other = (Walled(tmp_path, name) for name in ("web", "friend", "other"))
        for one in (web, friend, other):
            stack.callback(one.stop)
        web.join(friend, own="10.99.0.1", others="10.99.0.2")
        web.join(other, own="10.99.0.1", others="10.99.0.3")
        web.drop("ip saddr 10.99.0.3")
        pods = [web.pod("10.99.0.1"), friend.pod("10.99.0.2"), other.pod("10.99.0.3"), pod("far", node="w2")]
        friends = policy("friends", app("web"), ingress=[{"from": [{"podSelector": app("friend")}]}])
        told = networks([friends], pods)
        found = look_at_enforcement(cast("Cluster", Nodes()), told, lambda: told)
    assert (found.verdict, found.reason) == (Verdict.ENFORCED, "")
    seen = {(one.source, one.is_denied): one.seen for one in found.tries if one.source.startswith("shop/")}
    assert seen == {
        ("shop/friend", False): Seen.OPEN,
        ("shop/other", True): Seen.DROPPED,
        ("shop/far", True): Seen.UNKNOWN,
    }
    assert [one.said for one in found.tries if one.seen is Seen.UNKNOWN] == ["w2: no answer"]


def test_why_nobody_knows_whether_policies_are_enforced_is_told() -> None:
    """No policy, no SSH, no isolated pod, and no node that answers."""
    nodes = cast("Cluster", Nodes())
    far, friends = pod("far", node="w2"), policy("friends", app("far"))

    def reason(*policies: Object) -> str:
        told = networks(policies, [far])
        return look_at_enforcement(nodes, told, lambda: told).reason

    assert reason() == "there is no NetworkPolicy"
    assert reason(policy("p", app("nobody"))) == "no policy isolates a pod that runs on a node of the profile"
    assert reason(friends) == "of 1 isolated pod, none listens on a TCP port that others reach; w2: no answer"
    nodes.profile.ssh = None  # type: ignore[misc]
    assert reason(friends) == "the profile has no ssh and nodes, so no connection was tried"
