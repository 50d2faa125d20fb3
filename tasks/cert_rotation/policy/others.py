"""Handles certificates with which programs of a control plane node are configured and that are not kubeadm's.

Whoever made such a certificate renews it.
"""

from collections.abc import Iterator

from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.state import RotationState
from tasks.certificates.policy.inventory import how_to_renew, in_words
from tasks.core.models.findings import Finding, cautioned
from tasks.core.models.plan import Skip, figure


def of_others(scene: RotationScene) -> Iterator[Finding]:
    """Yields a caution for each certificate of others that expires within `renew_before`.

    This run renews its own certificates at the same time, but not these.
    """
    for state in scene.control_planes:
        for one in state.node.certificates:
            left = one.left(scene.now)
            if one.is_others and left is not None and left <= scene.options.renew_before:
                told = f"{one.owner} ({one.named_by}): this runbook does not renew it, and it {figure(in_words(left))}"
                yield cautioned(one.label, told, how_to_renew(one, state.node))


def skips_of_others(scene: RotationScene, state: RotationState) -> Iterator[Skip]:
    """Yields a skip for each certificate of others on a node that expires later than `renew_before`."""
    for one in state.node.certificates:
        left = one.left(scene.now)
        if one.is_others and left is not None and left > scene.options.renew_before:
            why = (
                f"{one.path}: {one.owner} ({one.named_by}): this runbook does not renew it; it {figure(in_words(left))}"
            )
            yield Skip(subject=state.name, reason=why)
