"""Brings one node to the state of a stage, and back if a proof fails.

It covers the files, new signatures, restarts with proofs, and the kubelet.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from tasks.ca_rotation import scripts
from tasks.ca_rotation.models import CaRotationPlan, NodeStage, NodeStaged, StageOrders
from tasks.ca_rotation.observe import look_at_places, look_at_trust
from tasks.ca_rotation.policy.trust import AFTER, halves_of, state_of
from tasks.ca_rotation.probes import texts
from tasks.ca_rotation.probes.places import Places, files_of
from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation, RotationOptions
from tasks.cert_rotation.steps import rotate_leaves
from tasks.certificates.kubelet import renew_kubelet
from tasks.certificates.models.authorities import FILES, State
from tasks.certificates.models.kubeadm import KUBEADM_HOURS
from tasks.certificates.observe import look_at_node
from tasks.clients.ssh import NodeShell
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import KUBELET, Authority
from tasks.nodes.observe import look_at_nodes
from tasks.run.locks import Check
from tasks.run.parts import NodeParts

READY_LIMIT = timedelta(minutes=3)
"""Limits the wait until a node is Ready again after its kubelet restarted."""


class RenewsLeaves(Protocol):
    """Signs the leaves of a node again. It also restarts what has not read its files, each with a gate and a proof."""

    def __call__(  # noqa: PLR0913 - by position, as its one maker has them
        self,
        handle: Cluster,
        node: NodeRotation,
        options: RotationOptions,
        run_id: str,
        check: Check,
        /,
        *,
        runbook: str,
    ) -> NodeRotated:
        """Renews the leaves and returns the result.

        Raises:
            CommandFailed: if a proof fails, after the previous leaves are restored.
        """


def bring_control_plane_node(work: "StageOnNode", orders: StageOrders) -> NodeStaged:
    """Brings a control plane node to the state of the stage: files, new signatures, restarts with proofs, and the kubelet.

    If a proof fails, it restores the previous files.
    """
    work.make_files(work.target)
    try:
        rotated = work.renew_leaves(orders)
    except CommandFailed as error:
        raise _put_back(work, error, orders) from error
    work.restart_kubelet(signer=work.name)
    return work.result(rotated)


def bring_all_workers(handle: Cluster, plan: CaRotationPlan, check: Check) -> tuple[NodeStaged, ...]:
    """Brings all worker nodes to the state of the stage: files and kubelets.

    The first node goes alone, then all others at once. Pods keep running.
    """

    def bring(node: NodeStage) -> NodeStaged:
        work = StageOnNode(handle, node, plan, check)
        work.make_files(work.target)
        work.restart_kubelet(signer=plan.machines[0])
        return work.result(None)

    first, rest = plan.workers[:1], plan.workers[1:]
    return (*(bring(node) for node in first), *on_all(bring, rest))


def _put_back(work: "StageOnNode", error: CommandFailed, orders: StageOrders) -> CommandFailed:
    """Restores the previous files and restarts what has read the new ones.

    It returns the error that describes the outcome.
    """
    before = work.stage.state
    if before not in FILES:
        return CommandFailed(f"{error.problem}; it was {before} before, and stays as it is", hint=error.hint)
    log_about(work.name).error("%s; it goes back to %s", error, before)
    try:
        work.make_files(before)
        work.renew_leaves(orders, restarts_alone=True)
    except RunbookError as second:
        return CommandFailed(
            f"{error.problem}; and it could not be brought back to {before}: {second.problem}",
            hint=f"{error.hint}; docs/ca-rotation.md has the way back by hand",
        )
    return CommandFailed(f"{error.problem}; it is {before} again, and that is proven", hint=error.hint)


class StageOnNode(NodeParts):
    """Does the work of a stage on one node, one part at a time."""

    def __init__(
        self,
        handle: Cluster,
        stage: NodeStage,
        plan: CaRotationPlan,
        check: Check,
        *,
        renew: RenewsLeaves = rotate_leaves,
    ) -> None:
        super().__init__(stage.name)
        self._handle, self.stage, self._plan, self._check, self._renew = handle, stage, plan, check, renew
        self._kubelet_restarted = False

    @property
    def target(self) -> State:
        """Returns the state of the node at the end of the stage."""
        return AFTER[self._plan.stage]

    def make_files(self, state: State) -> None:
        """Makes the files of a state. Each file is replaced in one move."""
        self._check()
        authority, shell = self._plan.authority, self._handle.shell(self.name)
        found = look_at_places(self._handle, self.name)
        script = scripts.make(files_of(authority, found), authority, state, control_plane=self.stage.control_plane)
        orders = b"".join(self._edits(found, state)) if authority is Authority.CLUSTER else b""
        with self.part(f"files of {state}"):
            for line in shell.run(script, stdin=orders).splitlines():
                log_about(self.name).info("%s", line)

    def _edits(self, found: Places, state: State) -> Iterator[bytes]:
        """Yields the edits of files, the controller manager's manifest first.

        The file that it signs with exists by then.
        """
        if self.stage.control_plane:
            for one in texts.manifest_edits(found, state):
                yield scripts.edit(
                    one.path, one.sum, one.made, staged=str(self._handle.shape(self.name).parked / "made")
                )
        paths = [one.path for one in look_at_node(self._handle, self.name).kubeconfigs if not one.missing]
        told = texts.parse(self._handle.shell(self.name).ask(texts.look(self._plan.authority, paths)))
        for one in texts.kubeconfig_edits(told, state):
            yield scripts.edit(one.path, one.sum, one.made)

    def renew_leaves(self, orders: StageOrders, *, restarts_alone: bool = False) -> NodeRotated:
        """Signs the planned leaves again and restarts static pods with gates and proofs.

        With `restarts_alone` it only restarts.
        """
        wanted = self.stage.rotation
        if restarts_alone:
            wanted = wanted.model_copy(update={"leaves": (), "copies": ()})
        options = RotationOptions(allow_downtime=orders.options.allow_downtime)
        return self._renew(self._handle, wanted, options, orders.run_id, self._check, runbook="ca_rotation")

    def restart_kubelet(self, *, signer: str, limit: timedelta = READY_LIMIT) -> None:
        """Restarts the kubelet in a rotation of the cluster CA, because it reads the trusted CAs when it starts.

        Its client certificate is signed again where the plan says so.
        """
        if self._plan.authority is not Authority.CLUSTER:
            return
        self._check()
        node = self._handle.shell(self.name)
        since = node.now().replace(microsecond=0)  # as starts of processes are told
        with self.part("kubelet"):
            if self.stage.kubelet:
                self._renew_kubelet(node, signer)
            else:
                node.run(scripts.RESTART_KUBELET)
            what = "its restarted kubelet to report Ready"
            wait_for(lambda: self._refuse_not_ready(since), limit, what=what, about=self.name)
        self._kubelet_restarted = True

    def _renew_kubelet(self, node: NodeShell, signer: str) -> None:
        files = files_of(self._plan.authority, look_at_places(self._handle, signer))
        renew_kubelet(
            node,
            self._handle.shell(signer),
            self._handle.profile.kubeadm.folder,
            KUBEADM_HOURS,
            ca=files.trust,
            key=files.key,
            kubelet_pki=str(self._handle.shape(self.name).kubelet.pki),
        )

    def _refuse_not_ready(self, since: datetime) -> None:
        """Checks that a new kubelet runs and that the API has a heartbeat from it.

        Raises:
            NotYet: until both are true.
        """
        self._check()
        kube = next((one for one in look_at_nodes(self._handle.kube) if one.name == self.name), None)
        process = look_at_node(self._handle, self.name).process(KUBELET)
        if process is None or process.started_at < since:
            raise NotYet(f"{self.name}: its kubelet did not restart", hint="check `journalctl -u kubelet` there")
        if kube is None or not kube.ready or kube.heartbeat is None or kube.heartbeat <= since:
            raise NotYet(
                f"{self.name}: no heartbeat since its kubelet was started", hint="check `journalctl -u kubelet` there"
            )

    def result(self, rotated: NodeRotated | None) -> NodeStaged:
        """Returns the result with the current state of the node.

        Raises:
            NotYet: if this is not the state at the end of the stage.
        """
        found = look_at_trust(self._handle, self.name, self._plan.authority)
        control_planes = [look_at_trust(self._handle, name, self._plan.authority) for name in self._plan.machines]
        old, new = halves_of(control_planes)
        after = state_of(found, old, new) if old else State.FOREIGN
        if after is not self.target:
            raise NotYet(f"{self.name}: it is {after}, not {self.target}", hint="run it again")
        return NodeStaged(
            node=self.name,
            before=self.stage.state,
            after=after,
            rotated=rotated,
            kubelet_restarted=self._kubelet_restarted,
            took=self.took,
        )
