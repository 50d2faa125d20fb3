"""Checks the folder of patches for kubeadm. It must exist, and must be the same on all control plane nodes."""

from collections.abc import Iterator, Mapping

from tasks.core.models.findings import Finding, Problem, refused
from tasks.upgrade.models.manifests import NodeManifests, Patches
from tasks.upgrade.policy.scope import NodeState, Scene

FOR_KUBELETS = "kubeletconfiguration"
"""This is the prefix of the patches that kubeadm also applies on workers."""


def rules_of_patches(scene: Scene) -> Iterator[Finding]:
    """Yields findings for every control plane node, also for one that this run leaves alone.

    It also checks the workers that the run upgrades.
    """
    if not scene.rules.patches:
        return
    seen = {one.node: one for one in scene.facts.manifests if one.patches}
    first: tuple[str, Patches] | None = None
    for node in scene.control_planes:
        patches = _of(seen, node)
        if patches.problem:
            yield _refused(scene, node, patches.problem)
        elif first is None:
            first = (node.name, patches)
        elif different := _differences(patches.files, first[1].files):
            yield _refused(scene, node, f"{', '.join(different)}: not as on {first[0]}")
    wanted = [name for name in (first[1].files if first else ()) if name.rpartition("/")[2].startswith(FOR_KUBELETS)]
    for node in scene.workers:
        patches = _of(seen, node)
        if node.is_due and wanted and patches.problem:
            yield _refused(scene, node, f"{patches.problem}; the control plane nodes have {', '.join(wanted)} in it")


def patches_of(scene: Scene) -> dict[str, str]:
    """Returns the patches of the first control plane node that has them, as name to digest."""
    found = [one.patches for one in scene.facts.manifests if one.patches and not one.patches.problem]
    return found[0].files if found else {}


def what_changed_since(seen: NodeManifests, planned: Mapping[str, str], *, control_plane: bool) -> Problem | None:
    """Returns how the patches of a control plane node differ from those of the plan, or `None`.

    This is checked right before kubeadm runs.
    """
    if not planned or not control_plane:
        return None
    patches = seen.patches or Patches(problem="they could not be read")
    told = patches.problem or ", ".join(_differences(patches.files, planned))
    if not told:
        return None
    return Problem(text=f"its patches are not those of the plan: {told}", next_step="run it again: it plans with these")


def _of(seen: Mapping[str, NodeManifests], node: NodeState) -> Patches:
    found = seen.get(node.name)
    return found.patches if found and found.patches else Patches(problem="it could not be read, or is empty")


def _differences(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    missing = [f"{name} is missing" for name in sorted(theirs.keys() - mine.keys())]
    more = [f"{name} is there" for name in sorted(mine.keys() - theirs.keys())]
    other = [f"{name} differs" for name in sorted(mine.keys() & theirs.keys()) if mine[name] != theirs[name]]
    return [*missing, *more, *other]


def _refused(scene: Scene, node: NodeState, problem: str) -> Finding:
    told = f"upgrade.patches {scene.rules.patches}: {problem}"
    return refused(node.name, told, "make the folder the same on all control plane nodes, or correct upgrade.patches")
