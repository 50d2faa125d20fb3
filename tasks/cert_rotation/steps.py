"""Rotations of leaf certificates: each task looks at what is there, so that a run that died is run again.

What a run wants of a node is written down there before its first act, beside a copy of kubeadm's folder. Files, processes and what
is on the wire say how far it has come.
"""

import shlex
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn

from prefect import task

from tasks.cert_rotation import scripts as rotation
from tasks.cert_rotation.models.rotation import (
    CERT_ROTATION,
    AllRotated,
    Approved,
    NodeRotated,
    NodeRotation,
    OnNode,
    Phase,
    ProofsNow,
    RotationFacts,
    RotationOptions,
    RotationPlan,
    RotationProof,
    RotationRecord,
)
from tasks.cert_rotation.models.serving import Identities
from tasks.cert_rotation.policy.records import taken_from, what_has_changed
from tasks.cert_rotation.policy.scope import of_certificates
from tasks.cert_rotation.policy.serving_requests import what_forbids_approval
from tasks.cert_rotation.policy.static_pods import has_read_what_went, is_silent, runs_as_before, what_pod_lacks
from tasks.cert_rotation.probes.serving_requests import (
    approved,
    endpoints_of,
    is_pending,
    parse_identities,
    parse_request,
    parse_requests,
)
from tasks.certificates.models.inventory import Inventory, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.observe import look_at_certificates, look_at_node
from tasks.certificates.probes import kubelet
from tasks.certificates.probes.x509 import certificates_in
from tasks.clients.ssh import Job, run_job
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane.park import park, unpark
from tasks.control_plane.probes import parking
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.folders import JOBS
from tasks.core.models.kubeadm import API_SERVER, AWAY_WITH, ETCD, KUBELET, KUBELET_CLIENT, ORDER
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.core.secrets import resolve_public, resolve_secret
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import what_ails
from tasks.node_work.gates import gate_control_plane, lead_elsewhere, member_on
from tasks.node_work.probes.controllers import renewal_of
from tasks.node_work.site_gates import what_gates_say
from tasks.nodes.observe import LEASES, glance_at_machine, look_at_nodes
from tasks.nodes.probes.api_facts import cluster_configuration
from tasks.restore.probes import recovery
from tasks.run.history import keep_evidence
from tasks.run.locks import Check
from tasks.run.models.lock import micro_time
from tasks.run.parts import NodeParts
from tasks.upgrade.observe import SYSTEM

CALL = timedelta(seconds=60)
PROOFS = timedelta(seconds=120)
"""For all proofs of a node: each kubeconfig has 15 s, each port 5 s."""

RENEW_LIMIT = timedelta(minutes=10)
PROOF_LIMIT = timedelta(minutes=5)
"""For a static pod to run again and to say that it is well. etcd may need a minute of it, where its kubelet waits for its own API server."""

API_LIMIT = timedelta(seconds=30)
"""For an API that is away for a moment: without one all control planes would be done at once."""

ANSWER_LIMIT = timedelta(minutes=1)
"""For a node whose connection is lost."""

AWAKE_LIMIT = timedelta(seconds=20)
"""For one that is on its way up."""

SETTLE = timedelta(seconds=5)
"""After which it has to be well still."""

USERS_LIMIT = timedelta(minutes=2)
ALIVE_LIMIT = timedelta(minutes=5)

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
NODES, SERVICES = "/api/v1/nodes", "/api/v1/services"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CONFIGURATION = f"{SYSTEM}/configmaps/kubeadm-config"
LEADER_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@task(**OBSERVE, task_run_name="observe-rotation-{cluster}")
def observe_rotation(cluster: str, run_id: str) -> RotationFacts:
    """All certificates, and all that speaks for or against disturbing control planes; works with the API and etcd down."""
    return look_at_rotation(open_cluster(cluster), run_id)


def look_at_rotation(handle: Cluster, run_id: str) -> RotationFacts:
    """The same for whoever plans more than a renewal."""
    names = [node.name for node in handle.profile.nodes]
    now = datetime.now(UTC)
    facts = RotationFacts(
        observed_at=now,
        run_id=run_id,
        inventory=Inventory(observed_at=now, nodes=look_at_certificates(handle)),
        left=tuple(on_all(partial(_what_is_left, handle), names)),
        own_ends=_own_ends(handle),
    )
    found = on_all(partial(_proofs_now, handle), facts.inventory.control_planes)
    facts = facts.model_copy(update={"proofs": tuple(filter(None, found))})
    try:
        wait_for(lambda: who_is_worker(handle), API_LIMIT)
    except RunbookError as error:
        ready = on_all(partial(_says_ready, handle), [node.name for node in facts.inventory.control_planes])
        return facts.model_copy(update={"api_problem": error.problem, "serving": tuple(filter(None, ready))})
    return facts.model_copy(update=_by_api(handle))


@task(**PATIENT, task_run_name="renew-kubelets-{cluster}")
def renew_kubelets(cluster: str, plan: RotationPlan, run_id: str, check: Check) -> AllRotated:
    """Client certificates of kubelets that could not renew theirs: a request by the node's own key, signed on a control plane node."""
    handle = open_cluster(cluster)
    signers = [name for name in plan.machines if not _has_external_ca(handle, name)]

    def renew(node: NodeRotation) -> NodeRotated:
        work = _Rotation(handle, node, run_id, check, allow_downtime=True)
        work.renew_kubelet(signers)
        return work.result()

    return AllRotated(nodes=tuple(on_all(renew, plan.kubelets)))


@task(**PATIENT, task_run_name="rotate-{node.name}")
def rotate_node(cluster: str, node: NodeRotation, options: RotationOptions, run_id: str, check: Check) -> NodeRotated:
    """Copy, renewal, and each static pod that needs it: gate, restart, proof. A proof that fails puts the files of before back."""
    return bring_leaves(open_cluster(cluster), node, options, run_id, check)


def bring_leaves(  # noqa: PLR0913 - by keyword, for another runbook
    handle: Cluster,
    node: NodeRotation,
    options: RotationOptions,
    run_id: str,
    check: Check,
    *,
    runbook: str = CERT_ROTATION,
) -> NodeRotated:
    """The same as a part of more work on the node."""
    work = _Rotation(handle, node, run_id, check, allow_downtime=options.allow_downtime, runbook=runbook)
    if node.put_back:
        work.go_on_putting_back()
    work.begin()
    try:
        work.renew()
    except CommandFailed as error:  # not `NotYet`: the job may still be at work
        work.put_back(error)
    try:
        for pod in node.restarts:
            work.restart(pod, gate=True)
            work.prove(pod)
        work.prove_users()
    except (NotYet, CommandFailed) as error:
        work.put_back(error)
    work.refresh_copies()
    work.end()
    return work.result()


@task(**PATIENT, task_run_name="rotate-all-{cluster}")
def rotate_all(cluster: str, plan: RotationPlan, run_id: str, check: Check) -> AllRotated:
    """All control planes at once, where nothing works any more: files first, then etcd on all, its proof, and so on in their order."""
    handle = open_cluster(cluster)
    works = [_Rotation(handle, node, run_id, check, allow_downtime=True) for node in plan.control_plane]
    on_all(_Rotation.begin, works)
    on_all(_Rotation.renew, works)
    for pod in ORDER:
        mine = [work for work in works if pod in work.node.restarts]
        on_all(partial(_restart, pod), mine)
        on_all(partial(_prove, pod), mine)
    handle.kube.close()  # its connections know the administrator of before
    on_all(_Rotation.prove_users, works)
    on_all(_Rotation.refresh_copies, works)
    on_all(_Rotation.end, works)
    return AllRotated(nodes=tuple(work.result() for work in works))


@task(**ACT, task_run_name="approve-requests-{cluster}")
def approve_requests(cluster: str, plan: RotationPlan, check: Check) -> Approved:
    """Requests of kubelets for serving certificates, each looked at again: the plan's, or all where there was no API to plan by."""
    handle = open_cluster(cluster)
    handle.kube.close()
    wanted = [
        found
        for found in parse_requests(handle.kube.items(REQUESTS))
        if plan.by_ssh_alone or found.name in plan.approve
    ]
    nodes = look_at_certificates(handle) if wanted else ()
    known = _who_is_who(handle) if wanted else Identities()
    done, left = [], {}
    for found in wanted:
        check()
        item = handle.kube.find(f"{REQUESTS}/{found.name}")
        if item is None or not is_pending(item):
            left[found.name] = "somebody else has decided about it, or deleted it"
            continue
        if problems := what_forbids_approval(parse_request(item), nodes, known):
            left[found.name] = "; ".join(problems)
            continue
        reason = "requestor, usages and subject are a kubelet's, and the names are those of its node"
        body = approved(item, now=micro_time(datetime.now(UTC)), reason=reason)
        handle.kube.replace(f"{REQUESTS}/{found.name}/approval", body)
        log_about(found.username).info("%s is approved: %s", found.name, ", ".join(found.names))
        done.append(found.name)
    return Approved(approved=tuple(done), left=left)


@task(**PATIENT, task_run_name="prove-rotation-{cluster}")
def prove_rotation(cluster: str, plan: RotationPlan) -> RotationProof:
    """The worker itself gets in by a new connection, leaders and nodes renew their leases, and nodes are Ready."""
    handle = open_cluster(cluster)
    handle.kube.close()
    worker = wait_for(lambda: who_is_worker(handle), USERS_LIMIT)
    before = _pulse(handle)
    expected = tuple(before.ready)

    def is_alive() -> recovery.Pulse:
        now = _pulse(handle)
        if wrong := recovery.what_is_not_alive(before, now, expected):
            raise NotYet(
                "; ".join(f"{name} {problem}" for name, problem in wrong.items()), hint="look at kubelet there"
            )
        return now

    try:
        now = wait_for(is_alive, ALIVE_LIMIT)
    except NotYet:
        now = _pulse(handle)
    wrong = recovery.what_is_not_alive(before, now, expected)
    touched = {node.name for node in plan.nodes} - set(plan.not_ready) | set(recovery.LEADERS) - set(plan.unled)
    if lost := {name: problem for name, problem in wrong.items() if name in touched}:
        told = "; ".join(f"{name} {problem}" for name, problem in lost.items())
        raise CommandFailed(
            f"renewed, but not alive after {ALIVE_LIMIT.total_seconds() / 60:.0f} min: {told}",
            hint="look at `journalctl -u kubelet` and the logs of the controllers there",
        )
    return RotationProof(
        leases_renewed=tuple(name for name in (*expected, *recovery.LEADERS) if name not in wrong),
        not_ready=tuple(f"{name} {problem}" for name, problem in wrong.items()),
        worker_is=worker,
    )


def who_is_worker(handle: Cluster) -> str:
    """Whom the API sees in this worker."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = handle.kube.create(REVIEWS, body)
    return outside.Review.read(told, f"the answer to POST {REVIEWS}").status.user_info.username


class _Rotation(NodeParts):
    """What is done on one node: from the copy to the proof."""

    def __init__(  # noqa: PLR0913 - the last ones by keyword
        self,
        handle: Cluster,
        node: NodeRotation,
        run_id: str,
        check: Check,
        *,
        allow_downtime: bool,
        runbook: str = CERT_ROTATION,
    ) -> None:
        super().__init__(node.name)
        self.handle, self.node, self._runbook = handle, node, runbook
        self._run_id, self._check, self._allow_downtime = run_id, check, allow_downtime
        self._folder = handle.profile.kubeadm.folder
        self._record: RotationRecord | None = None
        self._containers: dict[str, str] = {}
        self._moved = ""
        self._restarted: list[str] = []
        self._copies: tuple[str, ...] = ()
        self._left: dict[str, str] = {}
        self._users: dict[str, str] = {}

    # --- files

    @property
    def record(self) -> RotationRecord:
        """What is written down there."""
        if self._record is None:
            raise Refused(f"{self.name}: nothing is written down there", hint="run it again")
        return self._record

    def begin(self) -> None:
        """What an interrupted run wrote down there is resumed, unless it is void: its copy is the one of before."""
        self._check()
        node = self._look()
        found = self._resumable(node)
        fresh = rotation.record_of(self.node, self._run_id, self._now(), self._runbook, taken_from(node))
        self._record = _both(found, fresh) if found else fresh
        with self.part("copy of kubeadm's folder"):
            self._run(rotation.begin(self._folder, self.record), stdin=self.node.configuration.encode())

    def _resumable(self, node: NodeCertificates) -> RotationRecord | None:
        """Asked again at the last moment: days may lie between the plan and its approval."""
        left = wait_for(lambda: _ask_what_is_left(self.handle, self.name), ANSWER_LIMIT)
        problems = [left.unreadable] if left.unreadable else []
        if left.record and left.record.runbook != self._runbook:
            problems.append(f"it is of {left.record.runbook}, which has to resume it")
        elif left.record:
            problems += what_has_changed(left.record, node)
        if problems:
            raise Refused(
                f"{self.name}: the record of an interrupted run there cannot be resumed: {'; '.join(problems)}",
                hint="run it with mode=plan: it says what to do",
            )
        return left.record

    def renew(self) -> None:
        """By kubeadm, as a job; what is renewed already stays."""
        if not self.record.leaves:
            return
        self._check()
        script = rotation.renew(self._folder, self.record)
        job = Job(rotation.job_of(self.record), script, RENEW_LIMIT)
        with self.part("kubeadm certs renew"):
            run_job(self.handle.node(self.name), job, on_output=self._say)
        found = self._look()
        old = [leaf for leaf in self.record.leaves if not _is_written_since(found, leaf, self.record.begun_at)]
        if old:
            raise CommandFailed(
                f"{self.name}: kubeadm ended well and has not renewed {', '.join(old)}",
                hint=f"look at {JOBS}/{job.name}/output there",
            )

    def refresh_copies(self) -> None:
        """Kubeconfigs that the profile names, with owner and mode kept."""
        by_path = {one.path: one.copy_of for one in self._look().kubeconfigs if one.copy_of}
        pairs = [(path, by_path[path]) for path in self.node.copies if path in by_path]
        if not pairs:
            return
        self._check()
        with self.part("copies of kubeconfigs"):
            told = self._run(rotation.refresh(self._folder, self.record, pairs))
            self._copies, self._left = rotation.parse_refreshed(told)
        for path, why in self._left.items():
            log_about(self.name).warning("%s is not refreshed: %s", path, why)

    def end(self) -> None:
        """Nothing is left to go on with."""
        self._run(rotation.end(self._run_id))

    # --- static pods

    def restart(self, pod: str, *, gate: bool) -> None:
        """By its manifest, out and back, unless it runs with the files that are there."""
        with suppress(NotYet):  # one that an earlier attempt has just started is not started again
            wait_for(lambda: _refuse_silent(self._look(), pod), AWAKE_LIMIT)
        found = self._look()
        lacks = what_pod_lacks(found, pod) or is_silent(found, pod)
        if not lacks:
            return
        log_about(self.name).info("%s is started anew: %s", pod, lacks)
        if gate and found.manifests.get(pod) == "active":  # what is away cannot be disturbed
            self._gate(pod)
        self._start_anew(pod)

    def _gate(self, pod: str) -> None:
        with self.part(f"gate of {pod}"):
            facts = gate_control_plane(self.handle, self.name, self._check, allow_downtime=self._allow_downtime)
            if pod == ETCD:
                self._moved = lead_elsewhere(self.handle, facts, self.name) or self._moved
        self.handle.kube.prefer(*(name for name in self.handle.control_planes if name != self.name))

    def _start_anew(self, pod: str) -> None:
        """What is useless without it goes away first, and stays away until its own turn."""
        self._check()
        before = self._look()
        with self.part(f"restart of {pod}"):
            for one in (*AWAY_WITH.get(pod, ()), pod):
                if process := before.process(one):
                    self._containers[one] = process.container
                park(self.handle, [self.name], (one,))
            wait_for(lambda: unpark(self.handle, [self.name], (pod,)), ANSWER_LIMIT)
        self._restarted.append(pod)

    def prove(self, pod: str) -> None:
        """Another container, the file's serial on the wire, well, and it works for who uses it; twice, some seconds apart.

        A controller that is well may still be unable to lead, with a file that it reads only then: somebody has to lead afterwards.
        """
        with self.part(f"proof of {pod}"):
            wait_for(lambda: self._proven(pod), PROOF_LIMIT)
            led = wait_for(lambda: self._led(pod), PROOF_LIMIT)
            time.sleep(SETTLE.total_seconds())
            wait_for(lambda: self._proven(pod), PROOF_LIMIT)
            wait_for(lambda: self._refuse_leaderless(pod, led), PROOF_LIMIT)

    def _led(self, pod: str) -> str:
        """When the lease of its leader was renewed; empty where it has none, or there is no API to ask."""
        if pod not in recovery.LEADERS or pod in self.node.unled or self.node.by_ssh_alone:
            return ""
        self._check()
        return renewal_of(self.handle.kube.find(f"{LEADER_LEASES}/{pod}"))

    def _refuse_leaderless(self, pod: str, before: str) -> None:
        if before and self._led(pod) == before:
            problem = f"{self.name}: no {pod} leads: its lease was renewed at {before} for the last time"
            raise NotYet(problem, hint=f"look at the log of {pod} there")

    def _proven(self, pod: str) -> None:
        self._check()
        node = self._look()
        problem = (
            what_pod_lacks(node, pod) or is_silent(node, pod) or self._same_container(node, pod) or self._what_ails(pod)
        )
        if problem:
            raise NotYet(f"{self.name}: {problem}", hint=f"look at the log of {pod} there")

    def _same_container(self, node: NodeCertificates, pod: str) -> str:
        process, before = node.process(pod), self._containers.get(pod)
        return (
            f"{pod}: its container is the one of before" if process and before and process.container == before else ""
        )

    def _what_ails(self, pod: str) -> str:
        if pod in self.node.unproven:
            return ""
        if pod == ETCD:
            return self._what_ails_member()
        if pod == API_SERVER:
            status = glance_at_machine(self.handle, self.name).api_ready
            return "" if status == "200" else f"its API server's /readyz answers {status or 'nothing'}"
        said = self._run(rotation.is_well(pod)).strip()
        return "" if said == "ok" else f"{pod} says of itself: {said[:100] or 'nothing'}"

    def _what_ails_member(self) -> str:
        """It answers a linearizable read, to a client with a certificate of the same authority."""
        try:
            member = member_on(look_at_members(self.handle, "auto"), self.name)
        except RunbookError as error:
            return error.problem
        return f"etcd: {what_ails(member)}" if member and what_ails(member) else ""

    def prove_users(self) -> None:
        """Each kubeconfig that was renewed is somebody's whom the API knows."""
        paths = [f"{self._folder}/{leaf}" for leaf in self.record.leaves if leaf.endswith(".conf")]
        mine = [path for path in paths if path not in self.node.unproven]
        if not mine:
            return

        def ask() -> dict[str, str]:
            self._check()
            users, nobody = rotation.parse_who(self._run(rotation.who_with(mine)).encode())
            if nobody:
                raise NotYet(f"{self.name}: " + "; ".join(f"{path}: {why}" for path, why in nobody.items()))
            return users

        with self.part("who the API sees"):
            self._users = wait_for(ask, USERS_LIMIT)

    # --- the way back

    def put_back(self, error: RunbookError) -> NoReturn:
        """Files and manifests of the copy, what has read the new ones anew, the proof of it; and why."""
        evidence = self._evidence()
        if self.node.by_ssh_alone:
            raise CommandFailed(
                f"{self.name}: {error.problem}; the files of before have ended, so they stay away",
                hint=f"{evidence}; then run it again: it goes on where it was",
            ) from error
        self._check()
        log_about(self.name).error("%s; the files of before are put back", error)
        self._record = self.record.model_copy(update={"phase": Phase.PUTTING_BACK, "reason": error.problem[:1000]})
        self._run(rotation.note(self.record))
        try:
            self._put_back()
        except RunbookError as second:
            raise CommandFailed(
                f"{self.name}: {error.problem}; and the files of before could not be proven: {second.problem}",
                hint=f"{evidence}; run it again: it goes on with putting them back",
            ) from error
        raise self._say_put_back(evidence) from error

    def go_on_putting_back(self) -> NoReturn:
        """An earlier run died in the middle of it."""
        self._record = self._resumable(self._look())
        if self._record is None or self._record.phase is not Phase.PUTTING_BACK:
            raise Refused(f"{self.name}: nothing is to be put back there any more", hint="run it again")
        self._put_back()
        raise self._say_put_back("")

    def _put_back(self) -> None:
        self._check()
        with self.part("files of before"):
            self._run(rotation.put_back(self._folder, self.record))
        back = rotation.parse_time(self._run(rotation.when_put_back())) or self._now()
        for pod in [pod for pod in ORDER if pod in self.record.restarts]:
            found = self._look()
            if runs_as_before(found, pod, self.record.begun_at):
                continue
            if has_read_what_went(found, pod, back):
                self._start_anew(pod)
            self.prove(pod)
        self._run(rotation.forget(self.record))

    def _say_put_back(self, evidence: str) -> CommandFailed:
        return CommandFailed(
            f"{self.name}: {self.record.reason}; its files of before are back, and proven",
            hint=f"{evidence}; the copy is {rotation.put_back_copy(self.record)} there; nothing of what was asked for is renewed on it".lstrip(
                "; "
            ),
        )

    def _evidence(self) -> str:
        store, cluster = self.handle.store, self.handle.profile.name
        try:
            text = self._run(rotation.evidence())
            return f"what it says of itself is in {keep_evidence(store, cluster, CERT_ROTATION, f'{self._run_id}-{self.name}', text)}"
        except RunbookError as error:
            return f"what it says of itself could not be kept: {error.problem}"

    # --- its kubelet

    def renew_kubelet(self, signers: Sequence[str]) -> None:
        """Its key stays on the node, and so does the authority's on its own: a request goes there, a certificate comes back."""
        one = self._look().named(KUBELET_CLIENT)
        if one and (left := one.left(datetime.now(UTC))) and left > timedelta(hours=self.node.kubelet_hours) * 0.9:
            return  # an earlier attempt has
        self._check()
        signer = next((name for name in signers if name == self.name), signers[0])
        with self.part("client certificate of its kubelet"):
            request = self._run(kubelet.ask_for_kubelet(self.name)).encode()
            script = kubelet.sign_for_kubelet(self._folder, self.name, self.node.kubelet_hours)
            signed = self.handle.node(signer).run(script, stdin=request, timeout=CALL, sudo=True).stdout
            self._run(kubelet.install_for_kubelet(), stdin=signed)
            wait_for(self._kubelet_runs, USERS_LIMIT)
        log_about(self.name).info("the client certificate of its kubelet is signed by %s", signer)

    def _kubelet_runs(self) -> None:
        if not self._look().process(KUBELET):
            raise NotYet(f"{self.name}: its kubelet does not run", hint="look at `journalctl -u kubelet`")

    # --- words

    def result(self) -> NodeRotated:
        """With the ends of what was renewed, as the node has it now."""
        now = self._look()
        names = (*(self._record.leaves if self._record else ()), *([KUBELET_CLIENT] if self.node.kubelet else []))
        ends = {name: one.not_after for name in names if (one := now.named(name)) and one.not_after}
        return NodeRotated(
            node=self.name,
            renewed=ends,
            restarted=tuple(self._restarted),
            copies=self._copies,
            copies_left=self._left,
            users=self._users,
            leader_moved_to=self._moved,
            copy_file=self._record.copy_file if self._record else "",
            parts=tuple(self.parts),
            took=self.took,
        )

    def _look(self) -> NodeCertificates:
        """A connection that is lost for a moment is no proof that fails."""
        return wait_for(self._ask, ANSWER_LIMIT)

    def _ask(self) -> NodeCertificates:
        node = look_at_node(self.handle, self.name)
        if node.unreached:
            raise NotYet(node.unreached, hint="look at its sshd and its network")
        return node

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._run("date +%s")), UTC)

    def _run(self, script: str, stdin: bytes = b"") -> str:
        """Each of these scripts is safe to run again where the connection was lost, and its outcome with it."""
        node = self.handle.node(self.name)
        output = wait_for(lambda: node.run(script, stdin=stdin, timeout=CALL, sudo=True), ANSWER_LIMIT)
        return output.stdout.decode(errors="replace")

    def _say(self, output: str) -> None:
        for line in filter(None, map(str.strip, output.splitlines())):
            log_about(self.name).info("| %s", line[:300])


def _restart(pod: str, work: _Rotation) -> None:
    work.restart(pod, gate=False)


def _prove(pod: str, work: _Rotation) -> None:
    work.prove(pod)


def _refuse_silent(node: NodeCertificates, pod: str) -> None:
    if node.manifests.get(pod) == "active" and (silent := is_silent(node, pod)):
        raise NotYet(f"{node.name}: {silent}")


def _is_written_since(node: NodeCertificates, leaf: str, begun: datetime) -> bool:
    one = node.named(leaf)
    return bool(one and one.written_at and one.written_at >= begun)


def _both(found: RotationRecord, fresh: RotationRecord) -> RotationRecord:
    """What the earlier run wanted, and what is wanted now, in the order of kubeadm's names and of the pods."""
    leaves = {*found.leaves, *fresh.leaves}
    restarts = {*found.restarts, *fresh.restarts}
    return found.model_copy(
        update={
            "leaves": tuple(leaf for leaf in LEAVES if leaf in leaves),
            "anew": tuple(leaf for leaf in LEAVES if leaf in {*found.anew, *fresh.anew}),
            "restarts": tuple(pod for pod in ORDER if pod in restarts),
            "phase": Phase.RENEWING,
        }
    )


def _what_is_left(handle: Cluster, name: str) -> OnNode:
    try:
        return _ask_what_is_left(handle, name)
    except RunbookError:  # it is told by its certificates, which are not known either
        return OnNode(node=name)


def _ask_what_is_left(handle: Cluster, name: str) -> OnNode:
    return rotation.parse_left(name, handle.node(name).run(rotation.look(), timeout=CALL, sudo=True).stdout)


def _proofs_now(handle: Cluster, node: NodeCertificates) -> ProofsNow | None:
    """None where it cannot be asked: what is not known is asked for afterwards."""
    paths = [
        f"{handle.profile.kubeadm.folder}/{leaf}" for leaf in LEAVES if leaf.endswith(".conf") and node.named(leaf)
    ]
    try:
        output = handle.node(node.name).run(rotation.prove_now(paths), timeout=PROOFS, sudo=True, check=False)
    except RunbookError:
        return None
    return rotation.parse_proofs(node.name, output.stdout)


def _says_ready(handle: Cluster, name: str) -> str:
    """The node, where its own API server says so to anybody, whatever certificates say."""
    output = handle.node(name).run(parking.ready(), timeout=CALL, sudo=True, check=False)
    return name if output.stdout.strip() == b"200" else ""


def _has_external_ca(handle: Cluster, name: str) -> bool:
    key = shlex.quote(f"{handle.profile.kubeadm.folder}/pki/ca.key")
    return handle.node(name).run(f"test -e {key}", timeout=CALL, sudo=True, check=False).status != 0


def _by_api(handle: Cluster) -> dict[str, Any]:
    looks: list[Callable[[], Any]] = [
        lambda: of_certificates(cluster_configuration(handle.kube.find(CONFIGURATION))),
        lambda: _members(handle),
        lambda: look_at_nodes(handle.kube),
        lambda: what_gates_say(handle),
        lambda: _requests(handle),
        lambda: _pulse(handle).leases,
    ]
    configuration, members, nodes, gates, requests, leases = on_all(lambda look: look(), looks)
    known = {"configuration": configuration, "nodes": nodes, "gates": gates, "leases": leases}
    return {**known, **members, **requests}


def _requests(handle: Cluster) -> dict[str, Any]:
    requests = parse_requests(handle.kube.items(REQUESTS))
    return {"requests": requests, "identities": _who_is_who(handle)} if requests else {}


def _who_is_who(handle: Cluster) -> Identities:
    """By the profile, and by what the API has that no kubelet can write."""
    configuration = cluster_configuration(handle.kube.find(CONFIGURATION))
    hosts = endpoints_of(configuration, _own_server(handle))
    return parse_identities(
        {node.name: node.address for node in handle.profile.nodes},
        handle.kube.items(NODES),
        handle.kube.items(SERVICES),
        configuration,
        dict(zip(hosts, map(_resolved, hosts), strict=True)),
    )


def _own_server(handle: Cluster) -> str:
    reference = handle.profile.kubernetes.kubeconfig
    if reference is None:
        return ""
    return parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig").server


def _resolved(host: str) -> tuple[str, ...]:
    """Addresses that the worker finds for a name; none where it finds none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _members(handle: Cluster) -> dict[str, Any]:
    try:
        return {"etcd": look_at_members(handle, "auto")}
    except RunbookError as error:
        return {"etcd_problem": error.problem}


def _own_ends(handle: Cluster) -> dict[str, datetime]:
    """Of certificates that the worker itself has; what is wrong with them otherwise is told when they are used."""
    profile, texts = handle.profile, {}
    if reference := profile.kubernetes.kubeconfig:
        config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
        texts["kubernetes.kubeconfig"] = config.certificate
    if files := profile.etcd.client:
        texts["etcd.client.certificate"] = resolve_public(files.certificate, "etcd.client.certificate")
    found = {field: certificates_in(text.encode()) for field, text in texts.items()}
    return {field: certificates[0].not_valid_after_utc for field, certificates in found.items() if certificates}


def _pulse(handle: Cluster) -> recovery.Pulse:
    """As `recovery.take_pulse` asks it by a node's kubectl, here as the worker itself."""
    kube = handle.kube
    leaders = (kube.find(f"{LEADER_LEASES}/{leader}") for leader in recovery.LEADERS)
    leases = recovery.renewals_of([*kube.items(LEASES), *(found for found in leaders if found)])
    ready = {one.name: "True" if one.ready else one.ready_message or "not Ready" for one in look_at_nodes(kube)}
    return recovery.Pulse(leases=leases, ready=ready)
