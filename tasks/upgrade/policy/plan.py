"""Plans an upgrade: which nodes, in which order, by which acts. Otherwise it gives every reason why not."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tasks.core.errors import Refused
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.findings import Finding, cautioned, refused, softened
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure, joined
from tasks.core.models.profile import UpgradeRules
from tasks.core.words import counted, duration_in_words
from tasks.drain.models import DrainForecast
from tasks.drain.policy.findings import evicted_by
from tasks.node_work.policy.waves import limit_of, plan_waves
from tasks.nodes.policy.versions import KubernetesVersion, chain_to, minors_between
from tasks.upgrade.models.upgrade import ClusterFacts, NodeUpgrade, UpgradeOptions, UpgradePlan
from tasks.upgrade.policy.health import problems_that_may_pass, rules_of_health
from tasks.upgrade.policy.losses import nodes_that_were_not_read, rules_of_manifests
from tasks.upgrade.policy.machines import rules_of_machines
from tasks.upgrade.policy.patches import patches_of, rules_of_patches
from tasks.upgrade.policy.scope import ADDONS, NodeState, Scene, addons_left_alone, newest_installable, version_before
from tasks.upgrade.policy.secret import rules_of_secret
from tasks.upgrade.policy.versions import rules_of_input, rules_of_versions

ACT_UNCORDON = "prove that it is healthy, uncordon"
"""This is the act for a node that has every version, where a run of ours stopped before its last act."""


def plan_upgrade(
    facts: ClusterFacts, version: str, options: UpgradeOptions, rules: UpgradeRules, *, now: datetime
) -> UpgradePlan:
    """Returns the whole plan, or all refusals at once.

    For a chain it plans the first step only, because current facts say nothing about the next one. An upgrade
    that was stopped halfway is resumed. A node that has the target is a skip, and a node that has a part of it
    comes first. A cluster that has the target everywhere gets a plan of skips. Its problems are then cautions.
    """
    try:
        scene, hops = _scene_of(facts, version, options, rules, now)
    except Refused as error:
        return UpgradePlan(version=version, refusals=(refused("version", error.problem, error.hint),))
    findings = _findings(scene)
    plan = _plan(scene, hops)
    return plan.model_copy(
        update={
            "refusals": tuple(one for one in findings if isinstance(one, Refusal)),
            "cautions": tuple(one for one in findings if isinstance(one, Caution)),
        }
    )


def what_may_pass(
    facts: ClusterFacts, version: str, options: UpgradeOptions, rules: UpgradeRules, *, now: datetime
) -> tuple[Refusal, ...]:
    """Returns the plan's refusals if all of them are about what is often over within seconds; otherwise nothing."""
    try:
        scene, _ = _scene_of(facts, version, options, rules, now)
    except Refused:
        return ()
    refusals = tuple(one for one in _findings(scene) if isinstance(one, Refusal))
    passing = {*problems_that_may_pass(scene), *nodes_that_were_not_read(scene)}
    return refusals if set(refusals) <= passing else ()


def _scene_of(
    facts: ClusterFacts, version: str, options: UpgradeOptions, rules: UpgradeRules, now: datetime
) -> tuple[Scene, tuple[KubernetesVersion, ...]]:
    target = KubernetesVersion.parse(version)
    hops = hops_of(facts, target, chain=options.chain)
    return Scene(facts, hops[0], hops[-1], options, rules, now), hops


def hops_of(facts: ClusterFacts, target: KubernetesVersion, *, chain: bool) -> tuple[KubernetesVersion, ...]:
    """Returns the versions to go through, the target last.

    With `chain` off it is always one version. It raises `Refused` if the newest version of a minor is not
    known.
    """
    before = version_before(facts)
    if not chain or before is None or minors_between(before, target) <= 1:
        return (target,)
    return chain_to(before, target, newest_installable(facts.nodes) | facts.newest_patch)


def next_minor(before: str, target: str, *, chain: bool) -> str:
    """Returns the minor version (`1.37`) whose repository a run must query.

    It is the target's, or the next one of a chain. It raises `Refused` if a version is malformed.
    """
    oldest, last = KubernetesVersion.parse(before), KubernetesVersion.parse(target)
    if chain and minors_between(oldest, last) > 1:
        return f"{oldest.major}.{oldest.minor + 1}"
    return last.minor_name


def _findings(scene: Scene) -> list[Finding]:
    """Returns each finding once. If there is no work, only the parameters can be refused."""
    findings = [*rules_of_input(scene), *_cautions_of_rules(scene)]
    others = [
        *rules_of_versions(scene),
        *rules_of_machines(scene),
        *rules_of_patches(scene),
        *rules_of_manifests(scene),
        *rules_of_secret(scene),
        *rules_of_health(scene),
    ]
    findings += others if scene.due else [softened(one) for one in others]
    return list(dict.fromkeys(findings))


def _cautions_of_rules(scene: Scene) -> Iterable[Finding]:
    if not scene.due:
        return
    if ignored := scene.rules.ignore_preflight_errors:
        yield cautioned(
            "kubeadm",
            f"its preflight errors {', '.join(ignored)} are ignored",
            "upgrade.ignore_preflight_errors of the profile",
        )
    if older := ", ".join(node.name for node in scene.left_behind):
        yield cautioned(
            "--nodes",
            f"{older} would stay older: CoreDNS and kube-proxy are moved with the last control plane node",
            f"run it again for {older} soon",
        )
    workers = [node for node in scene.workers if node.is_due]
    limit = limit_of(scene.options.waves.max_unavailable, len(scene.workers))
    if workers and limit.caution:
        yield cautioned("--max-unavailable", limit.caution, "give a number, or a higher percentage")


# --- order


def _plan(scene: Scene, hops: Sequence[KubernetesVersion]) -> UpgradePlan:
    before = version_before(scene.facts)
    control_planes = [node for node in scene.control_planes if node.is_due]
    by_name = {node.name: node for node in scene.workers if node.is_due}
    applies = _first_applies(scene)
    waves = _waves(scene, by_name)
    return UpgradePlan(
        version=scene.target.bare,
        before=before.bare if before else "",
        hops=tuple(hop.bare for hop in hops) if len(hops) > 1 else (),
        control_plane=tuple(
            _upgrade(scene, node, applies=applies and not number) for number, node in enumerate(control_planes)
        ),
        waves=tuple(tuple(_upgrade(scene, by_name[name]) for name in wave) for wave in waves),
        left_behind=tuple(node.name for node in scene.left_behind),
        etcd_before=_etcd_versions(scene.facts.etcd),
        services_before=_services_before(scene),
        ignored=scene.rules.ignore_preflight_errors,
        patches=patches_of(scene),
        addons=_addons_before(scene),
        addons_left_alone=addons_left_alone(scene.facts),
        evicts=evicted_by(_forecast(scene, node) for node in scene.drained),
        steps=(
            *_steps_of_pin(scene),
            *(
                Step(
                    subject=node.name,
                    act=_act(scene, node, applies=applies and not number),
                    reason=_reason(scene, node),
                )
                for number, node in enumerate(control_planes)
            ),
            *_steps_of_workers(scene, waves, by_name),
            *_steps_of_hops(scene, hops[1:]),
        ),
        skips=tuple(_skip(scene, node) for node in scene.nodes if not node.is_due),
    )


def _services_before(scene: Scene) -> dict[str, tuple[str, ...]]:
    """Returns the Services that do not answer a node now.

    It is empty if an upgrade is under way, because that may be the cause, and then nothing is forgiven
    afterwards.
    """
    if scene.is_under_way or not all(node.needs_kubeadm for node in scene.control_planes):
        return {}
    found = {
        node.name: tuple(one.of for one in scene.symptoms_of(node) if one.of.startswith("Service "))
        for node in scene.nodes
    }
    return {name: services for name, services in found.items() if services}


def _addons_before(scene: Scene) -> tuple[str, ...]:
    """Returns the addons that exist now. They must exist afterwards."""
    left_alone = addons_left_alone(scene.facts)
    return tuple(one.name for one in scene.facts.api.workloads if one.name in ADDONS and one.name not in left_alone)


def _steps_of_pin(scene: Scene) -> Iterable[Step]:
    asked, before = scene.options.etcd_image_tag, scene.facts.api.etcd_image_tag
    if asked and scene.due and scene.etcd_tag != before:
        act = f"pin etcd.local.imageTag to {asked}" if scene.etcd_tag else "take etcd.local.imageTag out"
        reason = f"--etcd-image-tag; it was {before or 'not pinned'}"
        yield Step(subject="kubeadm-config", act=act, reason=reason)


def _first_applies(scene: Scene) -> bool:
    """Returns True if the first control plane node moves kubeadm-config.

    It does so again if no node has completed that yet.
    """
    moved = KubernetesVersion.observed(scene.facts.api.kubeadm_version) == scene.target
    return not moved or all(node.needs_kubeadm and not node.unfinished for node in scene.control_planes)


def _waves(scene: Scene, due: Mapping[str, NodeState]) -> tuple[tuple[str, ...], ...]:
    """Returns the waves. Workers that are under way come first, because they are out of service already."""
    options, workers = scene.options.waves, len(scene.workers)
    begun = [name for name, node in due.items() if node.begun]
    others = [name for name in due if name not in begun]
    steady = options.model_copy(update={"canary": False})
    return (*plan_waves(begun, steady, workers=workers), *plan_waves(others, options, workers=workers))


def _upgrade(scene: Scene, node: NodeState, *, applies: bool = False) -> NodeUpgrade:
    return NodeUpgrade(
        name=node.name,
        control_plane=node.is_control_plane,
        kubelet=node.kube.kubelet if node.kube else node.machine.kubelet,
        target=scene.target.bare,
        needs_kubeadm=node.needs_kubeadm,
        needs_kubelet=node.needs_kubelet,
        applies=applies and node.needs_kubeadm,
        begun=node.begun,
        unfinished=node.unfinished,
        evicted=_evicted(scene, node),
        expected=scene.facts.history.get(node.name),
    )


def _evicted(scene: Scene, node: NodeState) -> tuple[str, ...]:
    if not node.needs_kubelet:
        return ()
    forecast = _forecast(scene, node)
    return forecast.evicted if forecast else ()


def _forecast(scene: Scene, node: NodeState) -> DrainForecast | None:
    return next((one for one in scene.facts.api.forecasts if one.node == node.name), None)


def _etcd_versions(etcd: EtcdFacts) -> str:
    return " and ".join(sorted({member.status.version for member in etcd.members if member.status}))


# --- steps: what changes by the minute is a `figure`, all else is in the plan's digest


def _act(scene: Scene, node: NodeState, *, applies: bool = False) -> str:
    acts = []
    moves = node.leads and node.needs_kubeadm and scene.is_stacked and len(scene.facts.etcd.members) > 1
    if node.needs_kubeadm:
        acts.append(f"kubeadm upgrade apply {scene.target}" if applies else f"kubeadm upgrade node to {scene.target}")
    if node.needs_kubelet:
        is_there = node.is_replaced and KubernetesVersion.observed(node.machine.kubelet) == scene.target
        acts += [
            "drain",
            f"restart kubelet ({scene.target} is installed)" if is_there else f"kubelet {scene.target}",
        ]
    return figure("move etcd's leadership away, " if moves else "") + (", ".join(acts) or ACT_UNCORDON)


def _reason(scene: Scene, node: NodeState, place: str = "") -> str:
    before = node.api_server if node.is_control_plane else node.kubelet
    held = node.machine.packages.held
    expected = scene.facts.history.get(node.name)
    told = (
        f"{'control plane' if node.is_control_plane else 'kubelet'} {before or 'of an unknown version'}",
        figure(place),
        "its upgrade is under way" if node.begun else "",
        node.unfinished,
        f"kubelet v{node.machine.kubelet} is installed, v{node.kubelet_in_use} still runs" if node.is_replaced else "",
        node.etcd_step,
        figure("the last: it leads etcd" if node.leads and not node.begun and _has_company(scene) else ""),
        f"evicts {figure(counted(len(_evicted(scene, node)), 'pod'))}" if node.needs_kubelet else "",
        f"{', '.join(held)} held back: put back as found" if held else "",
        figure(f"about {duration_in_words(expected)} by earlier reports" if expected else ""),
    )
    return joined(*told)


def _has_company(scene: Scene) -> bool:
    return sum(node.is_due for node in scene.control_planes) > 1


def _steps_of_workers(scene: Scene, waves: Sequence[Sequence[str]], due: Mapping[str, NodeState]) -> Iterable[Step]:
    canary = _canary(scene, waves, due)
    for number, wave in enumerate(waves, 1):
        for name in wave:
            place = "the canary: the others wait for it" if name == canary else ""
            act = f"wave {number}: {_act(scene, due[name])}"
            yield Step(subject=name, act=act, reason=_reason(scene, due[name], place))


def _canary(scene: Scene, waves: Sequence[Sequence[str]], due: Mapping[str, NodeState]) -> str:
    fresh = [wave for wave in waves if not due[wave[0]].begun]
    return fresh[0][0] if scene.options.waves.canary and len(fresh) > 1 else ""


def _steps_of_hops(scene: Scene, hops: Sequence[KubernetesVersion]) -> Iterable[Step]:
    """Yields the later steps of a chain. They are in the digest, because a chain is approved as a whole."""
    for before, hop in zip((scene.target, *hops), hops, strict=False):
        yield Step(
            subject="all nodes",
            act=f"then {before} to {hop} in the same way",
            reason="the next minor of the chain, with a plan of its own from what is there then",
        )


def _skip(scene: Scene, node: NodeState) -> Skip:
    if not node.selected:
        return Skip(subject=node.name, reason="it is not one of --nodes")
    parts = "control plane and kubelet are" if node.is_control_plane else "kubelet is"
    return Skip(subject=node.name, reason=f"its {parts} at {scene.target}")
