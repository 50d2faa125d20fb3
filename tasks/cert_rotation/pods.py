"""Restarts static pods so that they read the current files, and proves that they serve with them."""

import time
from contextlib import suppress

from tasks.cert_rotation.policy.static_pods import what_pod_lacks, why_silent
from tasks.cert_rotation.probes import proofs
from tasks.cert_rotation.work import Work
from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet
from tasks.core.logs import log_about
from tasks.core.models.findings import Problem
from tasks.core.models.kubeadm import API_SERVER, AWAY_WITH, ETCD
from tasks.restore.models import LEADERS


def restart(work: Work, pod: str, *, gate: bool) -> None:
    """Restarts a static pod by moving its manifest out and back.

    It does nothing if the pod already runs with the current files.
    """
    with suppress(NotYet):  # one that an earlier attempt has just started is not started again
        awake = work.limits.awake
        wait_for(lambda: _refuse_silent(work.reach.look(), pod), awake, what=f"{pod} to answer", about=work.name)
    found = work.reach.look()
    lacks = what_pod_lacks(found, pod) or why_silent(found, pod)
    if not lacks:
        return
    log_about(work.name).info("%s is restarted: %s", pod, lacks)
    if gate and found.manifests.get(pod) == "active":  # what is away cannot be disturbed
        with work.part(f"gate of {pod}"):
            moved = work.reach.gate(pod, work.orders.check, allow_downtime=work.orders.allow_downtime)
            work.leader_moved_to = moved or work.leader_moved_to
    start_anew(work, pod)


def start_anew(work: Work, pod: str) -> None:
    """Restarts a static pod.

    Pods that are useless without it are parked first. They stay parked until their own turn.
    """
    work.check()
    before = work.reach.look()
    with work.part(f"restart of {pod}"):
        for one in (*AWAY_WITH.get(pod, ()), pod):
            if process := before.process(one):
                work.containers[one] = process.container
            work.reach.park(one)
        work.reach.unpark(pod)
    work.restarted.append(pod)


def prove(work: Work, pod: str) -> None:
    """Proves that a restarted static pod works. The checks run twice, some seconds apart.

    The pod has a new container, serves the serial of its file, is healthy, and works for its clients.
    A healthy controller may still be unable to lead, because it reads one file only then. So some instance must lead afterwards.
    """
    limit = work.limits.proof
    with work.part(f"proof of {pod}"):
        serves = f"{pod} to serve with the files that are there"
        wait_for(lambda: _refuse_unproven(work, pod), limit, what=serves, about=work.name)
        led = wait_for(lambda: _when_led(work, pod), limit, what=f"the API to show the Lease of {pod}", about=work.name)
        time.sleep(work.limits.stays.total_seconds())
        wait_for(lambda: _refuse_unproven(work, pod), limit, what=serves, about=work.name)
        wait_for(lambda: _refuse_leaderless(work, pod, led), limit, what=f"a {pod} to lead", about=work.name)


def _refuse_silent(node: NodeCertificates, pod: str) -> None:
    if node.manifests.get(pod) == "active" and (silent := why_silent(node, pod)):
        raise NotYet(f"{node.name}: {silent}")


def _refuse_unproven(work: Work, pod: str) -> None:
    work.check()
    node = work.reach.look()
    problem = (
        what_pod_lacks(node, pod)
        or why_silent(node, pod)
        or _why_same_container(work, node, pod)
        or _what_ails(work, pod)
    )
    if problem:
        raise NotYet(f"{work.name}: {problem}", hint=f"check the log of {pod} there")


def _when_led(work: Work, pod: str) -> str:
    """Returns when the controller's leader last renewed its Lease.

    The result is empty if there is no Lease, no API to ask, or no leader before the run.
    """
    if pod not in LEADERS or pod in work.node.unled or work.node.by_ssh_alone:
        return ""
    work.check()
    return work.reach.renewal_of(pod)


def _refuse_leaderless(work: Work, pod: str, before: str) -> None:
    if before and _when_led(work, pod) == before:
        problem = f"{work.name}: no {pod} leads: its lease was renewed at {before} for the last time"
        raise NotYet(problem, hint=f"check the log of {pod} there")


def _why_same_container(work: Work, node: NodeCertificates, pod: str) -> Problem | None:
    process, before = node.process(pod), work.containers.get(pod)
    same = process and before and process.container == before
    return Problem(text=f"{pod}: its container is still the previous one") if same else None


def _what_ails(work: Work, pod: str) -> Problem | None:
    """Returns the health problem that the program reports, or None.

    The program is not asked if it already failed when the plan was made.
    """
    if pod in work.node.unproven:
        return None
    if pod == ETCD:
        return work.reach.what_ails_member()
    if pod == API_SERVER:
        status = work.reach.api_ready()
        well = status == proofs.READY
        return None if well else Problem(text=f"its API server's /readyz answers {status or 'nothing'}")
    address = work.reach.health.get(pod)
    said = work.reach.run(proofs.is_well(address)).strip() if address else "ok"
    return None if said == "ok" else Problem(text=f"{pod} reports: {said[:100] or 'nothing'}")
