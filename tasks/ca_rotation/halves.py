"""The old and the new half of a rotation: found or made, laid down on every node, proven there, and put away at the end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from tasks.ca_rotation import scripts
from tasks.ca_rotation.models import CaRotationOptions, CaRotationPlan, Prepared, Stage, ended_folder, folder_of
from tasks.ca_rotation.observe import look_at_trust
from tasks.ca_rotation.probes.trust import halves_in
from tasks.certificates.authority import SigningAuthority, new_key_pair
from tasks.certificates.models.authorities import TRUST
from tasks.certificates.models.kubeadm import COMMON_NAMES
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused
from tasks.core.models.kubeadm import Authority
from tasks.core.redaction import remember_secret
from tasks.run.locks import Check


@dataclass(frozen=True)
class BothHalves:
    """As files have them, PEM. The new key is in memory, and goes to nodes by standard input."""

    old: bytes
    new: bytes
    new_key: bytes = field(repr=False)
    made: bool
    """The new one is of this run: no node has it yet."""


def find_or_make_halves(handle: Cluster, plan: CaRotationPlan, options: CaRotationOptions) -> BothHalves:
    """As a control plane node has them laid down; in the first stage the new one is made where none has. Writes nothing."""
    found = (look_at_trust(handle, name, plan.authority) for name in plan.machines)
    holder = next((one.node for one in found if one.old and one.new), "")
    if not holder and plan.stage is not Stage.TRUST_BOTH:
        raise Refused("no control plane node has the halves of this rotation any more", hint="look at them")
    halves = _read_halves(handle, holder, plan.authority) if holder else _make_halves(handle, plan, options)
    remember_secret(halves.new_key.decode())
    return halves


def lay_down_on_all(handle: Cluster, plan: CaRotationPlan, halves: BothHalves, check: Check) -> Prepared:
    """On one node before it is on any other: whoever goes on after a crash finds one and the same."""
    check()
    first, *rest = plan.machines
    _lay_down(handle, plan.authority, halves, first, key=True)
    check()
    on_all(partial(_lay_down, handle, plan.authority, halves, key=True), rest)
    on_all(partial(_lay_down, handle, plan.authority, halves, key=False), [node.name for node in plan.workers])
    return _proven(handle, plan, halves)


def put_away_on_all(handle: Cluster, plan: CaRotationPlan, run_id: str, check: Check) -> dict[str, str]:
    """Node to where its halves are now. Control planes last: what they have says what a rotation is about."""
    check()
    script = scripts.end(handle.profile.kubeadm.folder, plan.authority, run_id)

    def away(name: str) -> None:
        handle.shell(name).run(script)

    on_all(away, [name for name in plan.puts_away if name not in plan.machines])
    on_all(away, [name for name in plan.puts_away if name in plan.machines])
    return {name: ended_folder(plan.authority, run_id) for name in plan.puts_away}


def _read_halves(handle: Cluster, holder: str, authority: Authority) -> BothHalves:
    def read(name: str) -> bytes:
        return handle.node(holder).read_file(f"{folder_of(authority)}/{name}", sudo=True)

    return BothHalves(old=read("old.pem"), new=read("new.pem"), new_key=read("new.key"), made=False)


def _make_halves(handle: Cluster, plan: CaRotationPlan, options: CaRotationOptions) -> BothHalves:
    """The old one is what the first control plane node trusts: one, or it is not known which."""
    old = _only_one_trusted(handle, plan.machines[0], plan.authority)
    if plan.authority is Authority.SERVICE_ACCOUNTS:
        key, public = new_key_pair()
        return BothHalves(old=old, new=public, new_key=key, made=True)
    common_name = COMMON_NAMES.get(plan.authority, plan.authority)
    made = SigningAuthority.made(common_name, datetime.now(UTC), options.validity)
    return BothHalves(old=old, new=made.certificate, new_key=made.key, made=True)


def _only_one_trusted(handle: Cluster, name: str, authority: Authority) -> bytes:
    text = handle.node(name).read_file(handle.profile.kubeadm.folder / TRUST[authority], sudo=True)
    if len(halves_in(text)) != 1:
        raise Refused(
            f"{name}: {TRUST[authority]} has several, and which is the old one is not laid down",
            hint="end the rotation that was begun by hand first",
        )
    return text


def _lay_down(handle: Cluster, authority: Authority, halves: BothHalves, name: str, *, key: bool) -> None:
    """On one node; what is there already stays."""
    files = [("new.key", halves.new_key)] if key else []
    files += [("new.pem", halves.new), ("old.pem", halves.old)]
    script = scripts.lay_down(handle.profile.kubeadm.folder, authority)
    handle.shell(name).run(script, stdin=scripts.halves(files))


def _proven(handle: Cluster, plan: CaRotationPlan, halves: BothHalves) -> Prepared:
    """Looked at again: every control plane node has both, each with its key."""
    [old], [new] = halves_in(halves.old), halves_in(halves.new)
    for name in plan.machines:
        found = look_at_trust(handle, name, plan.authority)
        if (found.old, found.new) != (old, new):
            raise Refused(
                f"{name}: {folder_of(plan.authority)} has other halves than {plan.machines[0]}",
                hint="look at it: a control plane node that joined meanwhile has not the old key",
            )
    return Prepared(old=old, new=new, made=halves.made)
