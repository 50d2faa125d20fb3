"""Decides whether a workload can be stopped while its claims are switched."""

from tasks.core.models.findings import Problem
from tasks.nodes.policy.owners import Owner
from tasks.workloads.models.names import Kind, Ref

BESIDE = "or leave out --switch: the new claim is then made beside the old one"


def why_it_stays(ref: Ref, owner: Owner | None, scaler: str, when_scaled: str) -> Problem | None:
    """Returns why a workload must not be scaled to 0 and back; None if it may.

    Args:
        ref: the workload
        owner: who else writes it
        scaler: name of its HorizontalPodAutoscaler; empty if it has none
        when_scaled: what a StatefulSet does with the claims of pods that are scaled away: Retain, Delete, or empty
    """
    if owner:
        text = f"{owner.who} owns it, and may start it again while its volume is switched"
        return Problem(text=text, next_step=f"{owner.way}: pause it, and remove its marks meanwhile; {BESIDE}")
    if ref.kind is Kind.DAEMON_SET:
        return Problem(text="a DaemonSet cannot be scaled to 0", next_step=f"delete it, and create it again; {BESIDE}")
    if scaler:
        return Problem(
            text=f"the HorizontalPodAutoscaler {scaler} sets its replicas",
            next_step=f"kubectl -n {ref.namespace} get hpa {scaler} -o yaml: keep it, delete it, and create it again afterwards; {BESIDE}",
        )
    if when_scaled == "Delete":
        return Problem(
            text="its persistentVolumeClaimRetentionPolicy.whenScaled is Delete: its claims go when it is scaled to 0",
            next_step=f"set spec.persistentVolumeClaimRetentionPolicy.whenScaled of {ref.workload} to Retain; {BESIDE}",
        )
    return None


def unknown_user(who: str, namespace: str, pod: str) -> Problem:
    """Returns why pods cannot be stopped whose controller is nothing that this runbook scales."""
    return Problem(
        text=f"{who} is nothing that this runbook can stop and start again",
        next_step=f"kubectl -n {namespace} get pod {pod} -o yaml shows what made it: stop that first; {BESIDE}",
    )
