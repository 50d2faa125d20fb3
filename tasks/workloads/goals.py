"""Finds where a rollback goes to: the revisions in the API, and the snapshots in the bucket."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.nodes.policy.references import references_of
from tasks.workloads.models.names import Kind, Ref, collection
from tasks.workloads.models.rollback import (
    CONFIG_MAP,
    SECRET,
    SNAPSHOT,
    Aim,
    BackTarget,
    ConfigChange,
    Kept,
    RollbackFacts,
    RollbackRequest,
    digest_of_goal,
)
from tasks.workloads.models.rollout import Target
from tasks.workloads.observe import REVISIONS
from tasks.workloads.policy.rights import rights_on_config
from tasks.workloads.policy.rollback import Choice, best_snapshot, choose, config_changes
from tasks.workloads.policy.templates import differences
from tasks.workloads.probes.parsing import newest_revision, parse_history, selector_text
from tasks.workloads.probes.targets import template_of
from tasks.workloads.rights import cannot_act, cannot_read, lacking
from tasks.workloads.snapshots import Secrets, open_secrets, prefix_of, read_config, read_snapshot
from tasks.workloads.targets import absent, kept_of, look_at

JSON = dict[str, Any]
Content = dict[str, dict[str, JSON]]
"""This type maps kinds to objects by name."""

SEARCHED = 50
"""Limits how many snapshots are read to find what the pods of a revision used, the newest first."""


def observe_back(handle: Cluster, request: RollbackRequest) -> RollbackFacts:
    """Reads all workloads of a rollback in parallel, in the order in which they go back."""
    refs = list(dict.fromkeys(request.refs))
    targets = on_all(lambda ref: _observe(handle, ref, request.to), refs)
    return RollbackFacts(observed_at=datetime.now(UTC), run_id=request.run_id, targets=tuple(targets))


def _observe(handle: Cluster, ref: Ref, to: str) -> BackTarget:
    kube = handle.kube
    if lacks := cannot_read(kube, ref):
        return BackTarget(target=Target(ref=ref, lacks=lacks))
    raw = kube.find(ref.path)
    if raw is None:
        return BackTarget(target=absent(kube, ref))
    target, goal = look_at(kube, ref, raw), digest_of_goal(to)
    if lacks := cannot_act(kube, ref, kept_of(handle, raw), in_order=target.is_ordered):
        target = target.model_copy(update={"lacks": lacks})
    if target.mark and target.mark.is_written(goal, target.template):
        return BackTarget(target=target, goal=goal, words=f"what run {target.mark.run} has written", has_snapshot=True)
    aim = find_aim(handle, ref, raw, to)
    if isinstance(aim, Choice):
        return BackTarget(target=target, goal=goal, refusal=aim.refusal, next_step=aim.next_step)
    secrets = open_secrets(handle, aim.snapshot, aim.key) if aim.snapshot else Secrets({})
    config = _config(kube, ref, content_of(aim, secrets))
    return BackTarget(
        target=target,
        words=aim.words,
        goal=goal,
        digest=aim.digest,
        diff=differences(template_of(raw), aim.template),
        config=config,
        config_lacks=lacking(kube, rights_on_config(ref, config)),
        has_snapshot=aim.snapshot is not None or not references_of(aim.template).config_maps,
        secrets=secrets.staying,
        secrets_stay=secrets.because,
        secrets_step=secrets.next_step,
    )


def content_of(aim: Aim, secrets: Secrets) -> Content:
    """Returns the ConfigMaps and the Secrets of then, by kind and name."""
    maps: dict[str, JSON] = dict(aim.snapshot.config_maps) if aim.snapshot else {}
    return {CONFIG_MAP: maps, SECRET: secrets.content}


def _config(kube: KubeClient, ref: Ref, then: Content) -> tuple[ConfigChange, ...]:
    users = _users(kube, ref) if any(then.values()) else {}
    return tuple(
        change
        for kind, objects in then.items()
        for change in config_changes(
            kind,
            objects,
            {name: read_config(kube, ref.namespace, kind, name) for name in objects},
            {name: users.get((kind, name), []) for name in objects},
        )
    )


def find_aim(handle: Cluster, ref: Ref, raw: JSON, to: str) -> Aim | Choice:
    """Returns where a workload goes back to, or why it cannot."""
    selector = selector_text(outside.Rolled.read(raw, name_of(ref.kind.title, raw)).spec.selector)
    revisions = handle.kube.items(collection(ref.namespace, REVISIONS[ref.kind]), labelSelector=selector)
    current, _ = newest_revision(ref.kind, raw, revisions)
    kept = find_kept(handle, ref)
    choice = choose(to, parse_history(ref.kind, raw, revisions), current, kept)
    if choice.snapshot:
        snapshot = read_snapshot(handle.store, choice.snapshot.key)
        if snapshot.uid != str(raw["metadata"]["uid"]):
            problem = f"to: snapshot {choice.snapshot.name} is of another workload of this name, which was deleted"
            return Choice(refusal=problem, next_step="give a revision, or a newer snapshot")
        words = f"the snapshot of {snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC"
        return Aim(words, template_of(dict(snapshot.body)), snapshot.revision, snapshot, choice.snapshot.key)
    if choice.revision is None:
        return choice
    newest = sorted(kept, key=lambda one: one.name, reverse=True)[:SEARCHED]
    read = on_all(lambda one: (one, read_snapshot(handle.store, one.key)), newest)
    mine = [(one, snapshot.revision) for one, snapshot in read if snapshot.uid == str(raw["metadata"]["uid"])]
    best = best_snapshot(choice.revision.name, mine)
    found = next((snapshot for one, snapshot in read if one == best), None)
    words = f"revision {choice.revision.number} ({choice.revision.name})"
    return Aim(words, dict(choice.revision.template), choice.revision.name, found, best.key if best else "")


def find_kept(handle: Cluster, ref: Ref) -> list[Kept]:
    """Lists the snapshots of a workload in the bucket."""
    found = []
    for stored in handle.store.objects(prefix_of(handle.store, handle.profile.name, ref)):
        name = stored.key.rpartition("/")[2].removesuffix(".json")
        if stored.key.endswith(".json") and SNAPSHOT.fullmatch(name):
            _, _, rest = name.partition("-")
            run, _, kind = rest.rpartition("-")
            found.append(Kept(key=stored.key, name=name, run=run, proven=kind == "proven"))
    return found


def _users(kube: KubeClient, ref: Ref) -> dict[tuple[str, str], list[str]]:
    """Maps each ConfigMap and Secret of the namespace to the other workloads that use it."""
    users: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind in Kind:
        for raw in kube.items(collection(ref.namespace, kind.plural)):
            name = f"{kind.value}/{outside.Named.read(raw, name_of(kind.title, raw)).metadata.name}"
            if name != ref.workload:
                used = references_of(template_of(raw))
                for key in [*((CONFIG_MAP, one) for one in used.config_maps), *((SECRET, one) for one in used.secrets)]:
                    users[key].append(name)
    return users


def same_aim(handle: Cluster, one: BackTarget, raw: JSON, to: str) -> Aim:
    """Returns where a workload goes back to; raises `Refused` if it is not what the plan said."""
    aim = find_aim(handle, one.target.ref, raw, to)
    if isinstance(aim, Choice) or aim.digest != one.digest:
        raise Refused(
            f"{one.target.ref.id}: its revisions or snapshots have changed since the plan; it was not changed",
            hint="start a new run",
        )
    return aim
