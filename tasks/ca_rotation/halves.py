"""Handles the old and the new half of a rotation.

It finds or makes them, writes them to every node, verifies them there, and puts them away at the end.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from tasks.ca_rotation import scripts
from tasks.ca_rotation.models import CaRotationOptions, CaRotationPlan, Prepared, Stage, ended_folder, folder_of
from tasks.ca_rotation.observe import look_at_trust
from tasks.ca_rotation.probes.trust import halves_in
from tasks.certificates.authority import SigningAuthority, new_key_pair
from tasks.certificates.models.kubeadm import COMMON_NAMES
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused
from tasks.core.models.kubeadm import Authority
from tasks.core.redaction import remember_secret
from tasks.run.locks import Check


@dataclass(frozen=True)
class BothHalves:
    """Holds both halves as PEM, as their files contain them.

    The new key stays in memory. It reaches nodes through standard input only.
    """

    old: bytes
    new: bytes
    new_key: bytes = field(repr=False)
    made: bool
    """True if this run made the new half, so that no node has it yet."""


def find_or_make_halves(handle: Cluster, plan: CaRotationPlan, options: CaRotationOptions) -> BothHalves:
    """Reads the halves from a control plane node that has them, and writes nothing.

    In the first stage it makes the new half if no node has one.

    Raises:
        Refused: if no control plane node has the halves in a later stage.
    """
    found = (look_at_trust(handle, name, plan.authority) for name in plan.machines)
    holder = next((one.node for one in found if one.old and one.new), "")
    if not holder and plan.stage is not Stage.TRUST_BOTH:
        raise Refused(
            "no control plane node has the halves of this rotation any more",
            hint=f"put {folder_of(plan.authority)} back on one of them: old.pem, old.key, new.pem and new.key",
        )
    halves = _read_halves(handle, holder, plan.authority) if holder else _make_halves(handle, plan, options)
    remember_secret(halves.new_key.decode())
    return halves


def lay_down_on_all(handle: Cluster, plan: CaRotationPlan, halves: BothHalves, check: Check) -> Prepared:
    """Writes the halves to one control plane node before any other node.

    A run that resumes after a crash then finds exactly one new half.
    """
    check()
    first, *rest = plan.machines
    _lay_down(handle, plan.authority, halves, first, key=True)
    check()
    on_all(partial(_lay_down, handle, plan.authority, halves, key=True), rest)
    on_all(partial(_lay_down, handle, plan.authority, halves, key=False), [node.name for node in plan.workers])
    return _proven(handle, plan, halves)


def put_away_on_all(handle: Cluster, plan: CaRotationPlan, run_id: str, check: Check) -> dict[str, str]:
    """Puts the halves of all nodes away. It returns the folder where the halves of each node are now.

    Control plane nodes come last, because their halves show what the rotation is about.
    """
    check()

    def away(name: str) -> None:
        files = look_at_trust(handle, name, plan.authority).files
        handle.shell(name).run(scripts.end(files, plan.authority, run_id))

    on_all(away, [name for name in plan.puts_away if name not in plan.machines])
    on_all(away, [name for name in plan.puts_away if name in plan.machines])
    return {name: ended_folder(plan.authority, run_id) for name in plan.puts_away}


def _read_halves(handle: Cluster, holder: str, authority: Authority) -> BothHalves:
    def read(name: str) -> bytes:
        return handle.node(holder).read_file(f"{folder_of(authority)}/{name}", sudo=True)

    return BothHalves(old=read("old.pem"), new=read("new.pem"), new_key=read("new.key"), made=False)


def _make_halves(handle: Cluster, plan: CaRotationPlan, options: CaRotationOptions) -> BothHalves:
    """Makes a new half. The old half is the one that the first control plane node trusts.

    Raises:
        Refused: if that node trusts several, because the old one is then unknown.
    """
    old = _only_one_trusted(handle, plan.machines[0], plan.authority)
    if plan.authority is Authority.SERVICE_ACCOUNTS:
        key, public = new_key_pair()
        return BothHalves(old=old, new=public, new_key=key, made=True)
    common_name = COMMON_NAMES.get(plan.authority, plan.authority)
    made = SigningAuthority.made(common_name, datetime.now(UTC), options.validity)
    return BothHalves(old=old, new=made.certificate, new_key=made.key, made=True)


def _only_one_trusted(handle: Cluster, name: str, authority: Authority) -> bytes:
    path = look_at_trust(handle, name, authority).files.trust
    text = handle.node(name).read_file(path, sudo=True)
    if len(halves_in(text)) != 1:
        raise Refused(
            f"{name}: {path} has several certificates, and no record names the old one",
            hint="finish the manual rotation first",
        )
    return text


def _lay_down(handle: Cluster, authority: Authority, halves: BothHalves, name: str, *, key: bool) -> None:
    """Writes the halves to one node. What is already there stays."""
    files = [("new.key", halves.new_key)] if key else []
    files += [("new.pem", halves.new), ("old.pem", halves.old)]
    script = scripts.lay_down(look_at_trust(handle, name, authority).files, authority)
    handle.shell(name).run(script, stdin=scripts.halves(files))


def _proven(handle: Cluster, plan: CaRotationPlan, halves: BothHalves) -> Prepared:
    """Reads all control plane nodes again and returns both halves. Each node must have both, each with its key.

    Raises:
        Refused: if a node has other halves, or lacks a key.
    """
    [old], [new] = halves_in(halves.old), halves_in(halves.new)
    for name in plan.machines:
        found = look_at_trust(handle, name, plan.authority)
        if (found.old, found.new, set(found.has_keys)) != (old, new, {"old", "new"}):
            raise Refused(
                f"{name}: {folder_of(plan.authority)} has other halves than {plan.machines[0]}",
                hint=f"compare this folder on both nodes: a control plane node that joined meanwhile does not have old.key. "
                f"Copy it from {plan.machines[0]}, then run it again",
            )
    return Prepared(old=old, new=new, made=halves.made)
