"""Asks registries, from the nodes that run a workload, for the images that a rollout brings there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.models.images import Reference
from tasks.core.models.outside import name_of
from tasks.registries.ask import Seat, ask_from, look_from, read_credentials, seat_of
from tasks.registries.probes.image_facts import ImageFacts, Mirrors
from tasks.workloads.models.changes import Change
from tasks.workloads.models.images import ImageAnswer
from tasks.workloads.policy.changes import patch_of
from tasks.workloads.policy.templates import images_of
from tasks.workloads.probes.parsing import selector_text
from tasks.workloads.probes.targets import containers_of, template_of, trial_pod

JSON = dict[str, Any]

NODES = 3
"""Limits from how many nodes an image is asked for."""


class Wanted(NamedTuple):
    """Says which images a change brings to the pods of a workload, and with which Secrets the kubelet pulls them."""

    images: Mapping[str, bool]
    """It maps each image to whether its policy is Never."""
    secrets: tuple[str, ...]
    uncertain: tuple[str, ...]


def ask_for_images(handle: Cluster, change: Change) -> tuple[ImageAnswer, ...]:
    """Returns what nodes and registries say about the new images of a change; what does not answer is an answer, too."""
    try:
        return _ask(handle, change)
    except RunbookError as error:
        images = dict.fromkeys(image for image in change.images.values() if image)
        return tuple(ImageAnswer(workload=change.ref.id, image=one, said=error.problem) for one in images)


def _ask(handle: Cluster, change: Change) -> tuple[ImageAnswer, ...]:
    kube = handle.kube
    raw = kube.find(change.ref.path)
    if raw is None:
        return ()
    selector = selector_text(outside.Rolled.read(raw, name_of("workload", raw)).spec.selector)
    pods = kube.items(f"/api/v1/namespaces/{change.namespace}/pods", labelSelector=selector)
    wanted = find_wanted(kube, change, raw, pods)
    if not wanted.images:
        return ()
    nodes = find_nodes(handle, pods)
    if not nodes:
        said = "no node of the profile runs its pods"
        return tuple(ImageAnswer(workload=change.ref.id, image=one, said=said) for one in wanted.images)
    found = on_all(lambda node: _ask_from(handle, change, wanted, node), nodes)
    return tuple(answer for answers in found for answer in answers)


def find_wanted(kube: KubeClient, change: Change, raw: JSON, pods: Sequence[JSON]) -> Wanted:
    """Returns what a pod of the new template would pull, by dry runs of the API; nothing if it refuses the change.

    Only a whole pod has what admission adds: a pull policy, the Secrets of its ServiceAccount, other containers.
    """
    before = template_of(raw)
    changed = kube.try_patch(change.ref.path, {"spec": patch_of(change, containers_of(before), "now")}, "strategic")
    if not changed.is_fine:
        return Wanted({}, (), ())
    tried = kube.try_create(f"/api/v1/namespaces/{change.namespace}/pods", trial_pod(changed.body))
    pod = tried.body if tried.is_fine else trial_pod(changed.body)
    spec = pod["spec"]
    running = [one for one in pods if (one.get("status") or {}).get("phase") == "Running"]
    new = set(images_of(pod).values()).difference(*(images_of(one).values() for one in (before, *running)))
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    return Wanted(
        {str(one["image"]): one.get("imagePullPolicy") == "Never" for one in containers if one.get("image") in new},
        tuple(str(one.get("name", "")) for one in spec.get("imagePullSecrets") or []),
        () if tried.is_fine else ("the pull Secrets of its ServiceAccount are not known",),
    )


def find_nodes(handle: Cluster, pods: Sequence[JSON]) -> list[Seat]:
    """Returns the first nodes of the profile on which these pods run; if there are none, those that take pods."""
    used = {outside.Pod.read(one, name_of("pod", one)).spec.node_name for one in pods}
    known = {one.name for one in handle.profile.nodes}
    nodes = {
        told.metadata.name: told
        for one in handle.kube.items("/api/v1/nodes")
        if (told := outside.Node.read(one, name_of("node", one)))
    }
    free = [name for name, one in nodes.items() if not one.spec.unschedulable and not one.spec.taints]
    names = sorted(known & used & nodes.keys()) or sorted(known.intersection(free))
    return [seat_of(nodes[name]) for name in names[:NODES]]


def _ask_from(handle: Cluster, change: Change, wanted: Wanted, node: Seat) -> list[ImageAnswer]:
    registries = sorted({Reference.of(image).registry for image in wanted.images})
    try:
        facts, mirrors = look_from(handle, node, registries)
    except RunbookError as error:
        return [
            ImageAnswer(workload=change.ref.id, image=image, node=node.name, said=error.problem, never=never)
            for image, never in wanted.images.items()
        ]
    asker = Asker(handle, change, wanted, node, facts, mirrors)
    return [asker.ask(image) for image in wanted.images]


@dataclass(frozen=True)
class Asker:
    """Asks registries from one node."""

    handle: Cluster
    change: Change
    wanted: Wanted
    node: Seat
    facts: ImageFacts
    mirrors: Mirrors

    def ask(self, image: str) -> ImageAnswer:
        """Returns what is known about an image; what does not answer is an answer, too."""
        reference, never = Reference.of(image), self.wanted.images[image]
        answer = ImageAnswer(
            workload=self.change.ref.id,
            image=image,
            node=self.node.name,
            never=never,
            present=self.facts.has(reference),
        )
        if never:
            return answer
        namespace, secrets = self.change.namespace, self.wanted.secrets
        credentials, problems = read_credentials(self.handle.kube, namespace, secrets, reference)
        places = self.mirrors.places[reference.registry]
        told = ask_from(self.handle, self.node, reference, places, credentials)
        uncertain = (*self.wanted.uncertain, *self.facts.uncertain, *self.mirrors.problems, *problems)
        return answer.model_copy(update={"verdict": told.verdict, "said": told.said, "uncertain": uncertain})
