"""Rules of a rotation: whether control planes may be disturbed, one at a time or all at once."""

from collections.abc import Iterator

from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.state import RotationState
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.models.plan import figure
from tasks.etcd.policy.quorum import unhealthy_members, why_quorum_needs
from tasks.nodes.policy.standing import nodes_that_may_be_away

BY_SSH = "all control planes are done at once, by SSH alone: there is no quorum to keep"


def without_api(scene: RotationScene) -> Iterator[Finding]:
    """All at once: only where an expired certificate or an interrupted run explains that there is no API."""
    problem = scene.facts.api_problem
    begun = [state.name for state in scene.control_planes if state.begun]
    if not scene.expired and not begun:
        yield refused(
            "API",
            f"it cannot be used, and no certificate has ended that would explain it: {problem}",
            "look at it first",
        )
        return
    ended = listed([one.label for one in scene.expired])
    why = f"these have ended: {ended}" if ended else f"a run has died on {listed(begun)}"
    yield cautioned("API", f"it cannot be used: {figure(problem)}; {why}", BY_SSH)
    disturbed = [state.name for state in scene.control_planes if state.restarts]
    if scene.serving and disturbed:
        yield refused(
            "API",
            f"the API servers of {listed(list(scene.serving))} serve, and do not let the worker in: {problem}; all at once "
            f"would be restarted on {listed(disturbed)}",
            "renew what restarts nothing, then all else: options.only=[admin.conf], or look at kubernetes.kubeconfig",
        )
    elif scene.options.only and scene.expired and not scene.serving:
        yield refused("options.only", "there is no API: all that has ended has to be renewed", "leave it out")
    yield cautioned(
        "kubeadm-config",
        "it cannot be read: names of certificates stay as they are, and new ones live as long as the old ones did",
        "run it again once the cluster is back, for other names",
    )


def of_cluster(scene: RotationScene) -> Iterator[Finding]:
    """Nobody may be missing when one of them is away."""
    for said in scene.facts.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    disturbed = [state for state in scene.control_planes if state.restarts]
    if len(scene.control_planes) == 1 and any({ETCD, API_SERVER} & set(state.restarts) for state in disturbed):
        problem = "the only control plane node: the API is away for a minute or two"
        if scene.options.allow_downtime:
            yield cautioned(disturbed[0].name, problem, "options.allow_downtime says that this is fine")
        else:
            yield refused(disturbed[0].name, problem, "say options.allow_downtime=true at a time when that is fine")
    if scene.facts.etcd_problem and disturbed:
        step = (
            "renew its client certificate first, for which nothing is restarted: options.only=[etcd-healthcheck-client]"
        )
        yield refused("etcd", f"its members are not known: {scene.facts.etcd_problem}", step)
    yield from _of_etcd(scene, disturbed)


def _of_etcd(scene: RotationScene, disturbed: list[RotationState]) -> Iterator[Finding]:
    members = scene.facts.etcd.members if scene.facts.etcd else ()
    begun = {state.member.id for state in scene.control_planes if state.begun and state.member}
    ill = unhealthy_members(members, besides=begun)
    for one, ails in ill if disturbed else ():
        yield refused(one.label, ails.text, "repair it first: while another one restarts it is needed")
    out = nodes_that_may_be_away(scene.facts.nodes, ours=())
    if ill or sum(not one.learner for one in members) == 1:
        return
    for state in disturbed:
        if state.member and ETCD in state.restarts and (kept := why_quorum_needs(state.member, members, out=out)):
            yield refused(state.name, kept.text, "bring the others back first")
