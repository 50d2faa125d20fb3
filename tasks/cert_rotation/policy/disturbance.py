"""Checks whether control plane nodes may be disturbed, one at a time or all at once."""

from collections.abc import Iterator

from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.state import RotationState
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.models.plan import figure
from tasks.etcd.policy.quorum import unhealthy_members, why_quorum_needs
from tasks.nodes.policy.standing import nodes_that_may_be_away

BY_SSH = "all control plane nodes are renewed at once, over SSH alone: there is no quorum to keep"


def without_api(scene: RotationScene) -> Iterator[Finding]:
    """Yields the findings for a run without an API, on all control plane nodes at once.

    This is allowed only if an expired certificate or an interrupted run explains the missing API.
    """
    problem = scene.facts.api_problem
    begun = [state.name for state in scene.control_planes if state.begun]
    if not scene.expired and not begun:
        yield refused(
            "API",
            f"it cannot be used, and no expired certificate explains it: {problem}",
            "repair it first",
        )
        return
    ended = listed([one.label for one in scene.expired])
    why = f"expired: {ended}" if ended else f"a run was interrupted on {listed(begun)}"
    yield cautioned("API", f"it cannot be used: {figure(problem)}; {why}", BY_SSH)
    disturbed = [state.name for state in scene.control_planes if state.restarts]
    if scene.serving and disturbed:
        yield refused(
            "API",
            f"the API servers of {listed(list(scene.serving))} serve, and do not let the worker in: {problem}; all at once "
            f"would be restarted on {listed(disturbed)}",
            "renew admin.conf first with --only=admin.conf, or check kubernetes.kubeconfig of the profile",
        )
    elif scene.options.only and scene.expired and not scene.serving:
        yield refused("--only", "no API answers: everything that has expired must be renewed", "leave it out")
    yield cautioned(
        "kubeadm-config",
        "it cannot be read: names of certificates stay as they are, and new ones live as long as the old ones did",
        "run it again once the cluster is back, for other names",
    )


def of_cluster(scene: RotationScene) -> Iterator[Finding]:
    """Yields the findings for a run one node at a time. No other node may be missing while one is away."""
    for said in scene.facts.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    disturbed = [state for state in scene.control_planes if state.restarts]
    if len(scene.control_planes) == 1 and any({ETCD, API_SERVER} & set(state.restarts) for state in disturbed):
        problem = "the only control plane node: the API does not answer for a minute or two"
        if scene.options.allow_downtime:
            yield cautioned(disturbed[0].name, problem, "--allow-downtime allows it")
        else:
            yield refused(disturbed[0].name, problem, "add --allow-downtime during an acceptable window")
    if scene.facts.etcd_problem and disturbed:
        step = "renew its client certificate first, for which nothing is restarted: --only=etcd-healthcheck-client"
        yield refused("etcd", f"its members are not known: {scene.facts.etcd_problem}", step)
    yield from _of_etcd(scene, disturbed)


def _of_etcd(scene: RotationScene, disturbed: list[RotationState]) -> Iterator[Finding]:
    members = scene.facts.etcd.members if scene.facts.etcd else ()
    begun = {state.member.id for state in scene.control_planes if state.begun and state.member}
    ill = unhealthy_members(members, besides=begun)
    for one, ails in ill if disturbed else ():
        yield refused(one.label, ails.text, "repair it first: quorum needs it while another member restarts")
    out = nodes_that_may_be_away(scene.facts.nodes, ours=())
    if ill or sum(not one.learner for one in members) == 1:
        return
    for state in disturbed:
        if state.member and ETCD in state.restarts and (kept := why_quorum_needs(state.member, members, out=out)):
            yield refused(state.name, kept.text, "bring the others back first")
