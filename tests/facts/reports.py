"""A realistic report of each runbook: plans by the runbooks' own rules, results and summaries by their own models."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from tasks.access.policy.audit import judge_audit
from tasks.access.summary import summarize_audit
from tasks.access_apply.models import Act, Applied, ApplyOptions, Proven
from tasks.access_apply.policy.expected import tell_cells
from tasks.access_apply.policy.plan import judge_drift, plan_apply
from tasks.access_apply.summary import summarize_apply
from tasks.backup.models.backups import BackupId, BackupProof, Drill, Freshness, Swept
from tasks.backup.policy.sources import choose_source
from tasks.backup.summary import summarize_backup, summarize_drill
from tasks.ca_rotation.models import NodeStaged, Published, Stage, WorkersStaged
from tasks.ca_rotation.summary import summarize_ca_rotation
from tasks.cert_rotation.models.rotation import Approved, NodeRotated, RotationProof
from tasks.cert_rotation.summary import summarize_rotation
from tasks.certificate_issue.models import IssuedAll, MachineIssued
from tasks.certificate_issue.summary import summarize_issue
from tasks.certificates.models.authorities import State
from tasks.certificates.policy.inventory import judge_inventory
from tasks.certificates.summary import summarize_inventory
from tasks.core.commands import filled
from tasks.core.errors import NotYet
from tasks.core.models.etcd import KeySpaceHash
from tasks.core.models.plan import Mode, Plan, Skip, Term
from tasks.core.models.profile import CertificateRules
from tasks.core.models.report import Approval, Done, Outcome, Report, Took
from tasks.core.models.retention import Kept as KeptBackup
from tasks.core.models.retention import Removed as Expiry
from tasks.core.models.retention import RetentionDecision
from tasks.drain.models import Drained
from tasks.etcd.models import MIB, Defragmented, Worth
from tasks.etcd.policy.health import plan_health
from tasks.etcd.policy.maintenance import plan_maintenance
from tasks.etcd.summary import summarize_health, summarize_maintenance
from tasks.node_service.models import RebootOptions, Uncordoned
from tasks.node_service.policy.plan import plan_drain, plan_reboot, plan_uncordon
from tasks.node_service.summary import summarize_drain, summarize_reboot, summarize_uncordon
from tasks.os_patch.models.outcome import Waits, WavePatched
from tasks.os_patch.summary import summarize_patch
from tasks.registries.models.verdict import Verdict
from tasks.registry_credentials import models as registry
from tasks.registry_credentials.models import NOBODY, Created, CredentialOptions, Left, Switched
from tasks.registry_credentials.policy.plan import plan_credentials
from tasks.registry_credentials.summary import summarize_credentials
from tasks.resources.models import Cleaned, Comparison, FilesProof, LeftOut, ResourceFacts
from tasks.resources.policy.changes import pairs_of, to_change
from tasks.resources.policy.plan import plan_backup
from tasks.resources.steps import refuse_partial
from tasks.resources.summary import summarize_resources
from tasks.resources_restore import models as objects
from tasks.resources_restore.policy.plan import plan_restore_of_objects
from tasks.resources_restore.summary import summarize_objects, summarize_resource_drill
from tasks.restore.models import Ended, Kept, Recovered, Restored
from tasks.restore.summary import summarize_restore
from tasks.run.policy.refusals import refused_by, with_commands
from tasks.upgrade.models.upgrade import NodeUpgraded, Upgraded, WaveUpgraded
from tasks.upgrade.summary import summarize_upgrade, way_back
from tasks.user_access.models.credentials import Removed
from tasks.user_access.models.grant import GrantOptions
from tasks.user_access.policy.plan import plan_grant
from tasks.user_access.policy.revoke import plan_revoke
from tasks.user_access.summary import summarize_grant, summarize_revoke
from tasks.volumes.models.archives import Archived
from tasks.volumes.models.backups import Cut, Expired, SnapshotsKept
from tasks.volumes.models.freezes import Thawed
from tasks.volumes.models.selection import VolumeOptions
from tasks.volumes.models.snapshots import RUN
from tasks.volumes.policy.plan import plan_volumes
from tasks.volumes.summary import summarize_volume_backup
from tasks.volumes_restore.models.checks import Checked, CheckRun
from tasks.volumes_restore.models.done import (
    Bound,
    FromArchives,
    Imported,
    KeptVolume,
    KeptVolumes,
    NewVolume,
    NewVolumes,
    Started,
    Stopped,
    VolumeProof,
)
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.summary import summarize_volume_restore
from tasks.workloads.groups import AGAIN
from tasks.workloads.models.changes import RolloutOptions
from tasks.workloads.models.rollback import RollbackOptions, RolledBack
from tasks.workloads.models.rollout import GroupPutBack, GroupRolled, PutBack, Rolled
from tasks.workloads.policy.plan import plan_rollout
from tasks.workloads.policy.rollback import plan_rollback
from tasks.workloads.policy.status import judge_status
from tasks.workloads.summary import summarize_history, summarize_rollback, summarize_rollout, summarize_status
from tests.facts import (
    access,
    access_apply,
    ca,
    certificates,
    etcd,
    issue,
    node_service,
    patch,
    pulls,
    resources,
    resources_restore,
    restore,
    rotation,
    upgrade,
    upgrade_plan,
    volumes,
    workloads,
)
from tests.facts import user_access as user_facts
from tests.facts import volumes_restore as restored

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RUN_ID = "0a1b2c3d-0000-0000-0000-000000000000"
RETRY = f"prefect flow-run retry {RUN_ID}"
BACKUP = restore.backup()
WITHOUT_MODES = (
    *("access_audit", "access_drift", "certificate_inventory"),
    *("etcd_backup_to_s3", "etcd_health", "etcd_restore_drill"),
    *("resources_backup_to_s3", "resources_restore_drill"),
)
SERVING: dict[str, Any] = {"backup": BACKUP.id}


def report(runbook: str, plan: Plan | None, *steps: tuple[str, object, int], **changes: Any) -> Report:  # noqa: ANN401
    """One attempt whose steps follow each other; a step has a name, a result and seconds."""
    done, at = [], NOON
    for name, result, seconds in steps:
        took = seconds * SECOND
        done.append(Done(step=name, started_at=at, took=took, evidence=_evidence(result)))
        at += took
    settled = None
    if plan is not None:
        told: dict[str, Any] = {name: getattr(plan, name) for name in Plan.model_fields}
        terms = (Term(name="cluster", value="prod"), Term(name="profile: store", value="bucket=backups"))
        settled = Plan(**told | {"digest": "b5676116609d4e8d", "terms": terms})
    values: dict[str, Any] = {
        "outcome": Outcome.COMPLETED,
        "ended_at": at + 3 * SECOND,
        "plan": settled,
        "done": tuple(done),
        "approval": Approval(plan="b5676116609d4e8d", approved=True, who="Ada", reason="INC-4711") if plan else None,
    }
    run = {
        "run_id": RUN_ID,
        "run_name": f"{runbook}-prod",
        "attempt": 1,
        "mode": "apply",
        "started_at": NOON,
        "cluster": "prod",
    }
    if runbook in WITHOUT_MODES:
        run["mode"] = ""
    changes["summary"] = tuple(filled(line, "prod") for line in changes.get("summary", ()))
    return Report.model_validate(run | {"runbook": runbook} | values | changes)


def _evidence(result: object) -> dict[str, Any]:
    """As a run keeps it: of models only."""
    return result.model_dump(mode="json") if isinstance(result, BaseModel) else {}


def upgraded(name: str, seconds: int) -> NodeUpgraded:
    """A node with the parts of its work."""
    parts = (("gate", 2), ("kubeadm upgrade", seconds - 22), ("drain", 5), ("package kubelet", 5), ("proof", 10))
    return NodeUpgraded(
        node=name,
        before=upgrade.OLD,
        after=upgrade.NEW,
        evicted=(f"shop/{name}-a", f"shop/{name}-b"),
        parts=tuple(Took(what=what, took=took * SECOND) for what, took in parts),
        took=seconds * SECOND,
    )


def _upgrades() -> dict[str, Report]:
    plan = upgrade_plan.plan(upgrade.cluster(machines={name: {"containerd": "1.6.20"} for name in upgrade.ALL}))
    cps = [upgraded(name, 90 + number) for number, name in enumerate(upgrade.CONTROL_PLANES)]
    workers = [upgraded(name, 60) for name in upgrade.WORKERS]
    begun = (
        ("check store", None, 1),
        ("observe upgrade", None, 9),
        ("observe records", None, 1),
        ("stage upgrade", None, 80),
    )
    control = [("upgrade control plane node", one, round(one.took.total_seconds())) for one in cps]
    proof = Upgraded(
        version=upgrade.NEW,
        nodes=dict.fromkeys(upgrade.ALL, upgrade.NEW),
        etcd=dict.fromkeys(upgrade.CONTROL_PLANES, "3.7.0"),
        addons=("coredns:v1.14.1", "kube-proxy:v1.37.2"),
        service_paths=upgrade.ALL,
    )
    waves = [("upgrade wave", WaveUpgraded(nodes=(one,)), 61) for one in workers]
    failed: dict[str, Any] = {"outcome": Outcome.FAILED, "next_step": RETRY}
    return {
        "rolling_upgrade": report(
            "rolling_upgrade",
            plan,
            *begun,
            *control,
            ("prove control plane", ("cp1", "cp2"), 4),
            *waves,
            ("prove upgraded", proof, 5),
            summary=summarize_upgrade(plan, BACKUP, [*cps, *workers], {}, proof),
        ),
        "rolling_upgrade-failed-in-a-wave": report(
            "rolling_upgrade",
            plan,
            *begun,
            *control,
            ("prove control plane", ("cp1", "cp2"), 4),
            ("upgrade wave", WaveUpgraded(nodes=(), failed={"w1": "its kubelet did not come back within 10 min"}), 61),
            doing="upgrade wave",
            problem="w2: cannot pull registry.k8s.io/pause:3.10: not found\n2 workers failed, --max-failed is 1",
            outcome=Outcome.FAILED,
            next_step=f"crictl pull registry.k8s.io/pause:3.10\n{RETRY}",
        ),
        "rolling_upgrade-failed-on-a-control-plane-node": report(
            "rolling_upgrade",
            plan,
            *begun,
            *control[:1],
            doing="upgrade control plane node",
            problem="cp3: kubeadm cannot pull registry.k8s.io/etcd:3.7.0-0: not found\n[preflight] last line of kubeadm",
            way_back=way_back(plan.control_plane[1], BACKUP),
            **failed,
        ),
    }


def _patches() -> dict[str, Report]:
    plan = patch.plan(patch.cluster())
    done = [patch.PATCHED.model_copy(update={"node": node.name, "stays_cordoned": False}) for node in plan.nodes]
    waits = (Waits(node=done[-1].node, reason="12 min are left of the window, and it needs 20"),)
    begun = (("check store", None, 1), ("observe patch", None, 9), ("observe records", None, 1))
    steps = [("patch node", WavePatched(nodes=(one,)), 95) for one in done[:3]]
    waiting = ("patch wave", WavePatched(nodes=tuple(done[3:-1]), waiting=waits), 95)
    reboot = plan_reboot(
        patch.cluster(), RebootOptions(), node_service.WANTED, patch.rules(("00:00", "00:00")), now=upgrade.NOW
    )
    return {
        "node_os_patch": report(
            "node_os_patch", plan, *begun, *steps, waiting, summary=summarize_patch(plan, done[:-1], waits, {})
        ),
        "node_reboot": report(
            "node_reboot",
            reboot,
            *begun,
            ("patch node", WavePatched(nodes=(patch.PATCHED,)), 95),
            ("note reboot", None, 1),
            summary=summarize_reboot(node_service.WANTED, [patch.PATCHED]),
        ),
    }


def _nodes() -> dict[str, Report]:
    drained = Drained(node="w1", cordoned_before=False, evicted=("shop/a",), took=9 * SECOND)
    back = Uncordoned(node="w1", was_cordoned=True, reason="INC-6: a fan", took=11 * SECOND)
    begun = (("check store", None, 1), ("observe node", None, 2))
    ours = node_service.facts({"cordoned": True, "annotations": node_service.HANDED_OVER})
    return {
        "node_drain": report(
            "node_drain",
            plan_drain(node_service.facts(), node_service.WANTED),
            *begun,
            ("drain node", drained, 9),
            summary=summarize_drain(node_service.WANTED, drained, "prod"),
        ),
        "node_uncordon": report(
            "node_uncordon",
            plan_uncordon(ours, node_service.WANTED, any_cordon=True),
            *begun,
            ("uncordon node", back, 11),
            summary=summarize_uncordon(node_service.WANTED, back),
        ),
    }


def _certificates() -> dict[str, Report]:
    plan = rotation.planned(rotation.three())
    later = certificates.NOW + timedelta(days=365)
    done = [
        NodeRotated(
            node=name,
            renewed={"apiserver": later, "scheduler.conf": later},
            restarted=("kube-apiserver", "kube-scheduler"),
            copy_file=f"/var/lib/kube-runbooks/certificates/{RUN_ID}",
            parts=(Took(what="kubeadm certs renew", took=5 * SECOND), Took(what="gate of etcd", took=3 * SECOND)),
            took=61 * SECOND,
        )
        for name in ("cp1", "cp2", "cp3")
    ]
    proof = RotationProof(leases_renewed=("cp1", "cp2", "cp3"), worker_is="kubernetes-admin")
    begun = (("check store", None, 1), ("observe rotation", None, 9), ("observe records", None, 1))
    alarm = judge_inventory(rotation.three(days=10).inventory, CertificateRules(), now=certificates.NOW)
    alarm_problem, alarm_step = refused_by(with_commands(alarm, lambda text: filled(text, "prod")))
    inventory = rotation.three(days=200).inventory
    judged = judge_inventory(inventory, CertificateRules(), now=certificates.NOW)
    wanted = issue.planned()
    issued = IssuedAll(
        authorities={"ca": "expires 2036-11-21"},
        machines=tuple(MachineIssued(name=one.name, written=("pki/ca.crt", "admin.conf")) for one in wanted.machines),
    )
    stage = ca.planned(ca.facts(), Stage.TRUST_BOTH)
    staged = [
        NodeStaged(node=name, before=State.ONLY_OLD, after=State.BOTH, took=40 * SECOND)
        for name in dict.fromkeys(step.subject for step in stage.steps)
        if name != "API"
    ]
    cps, workers = [one for one in staged if one.node[0] == "c"], [one for one in staged if one.node[0] != "c"]
    published = Published(changed=("kube-public/cluster-info",))
    return {
        "cert_rotation": report(
            "cert_rotation",
            plan,
            *begun,
            *(("rotate node", one, 61) for one in done),
            ("approve requests", Approved(), 1),
            ("prove rotation", proof, 5),
            summary=summarize_rotation(plan, done, Approved(), proof),
        ),
        "certificate_inventory": report(
            "certificate_inventory",
            judged,
            ("check store", None, 1),
            ("observe certificates", None, 4),
            approval=None,
            summary=summarize_inventory(inventory, judged),
        ),
        "certificate_inventory-refused": report(
            "certificate_inventory",
            alarm,
            ("check store", None, 1),
            ("observe certificates", None, 4),
            approval=None,
            outcome=Outcome.REFUSED,
            problem=alarm_problem,
            next_step=alarm_step,
        ),
        "certificate_issue": report(
            "certificate_issue",
            wanted,
            *begun[:1],
            ("observe issue", None, 3),
            ("issue certificates", issued, 12),
            ("prove issued", ("a", "b"), 2),
            summary=summarize_issue(issued, ("a", "b")),
        ),
        "ca_rotation": report(
            "ca_rotation",
            stage,
            *begun,
            ("lay down halves", None, 2),
            *(("bring control plane", one, 40) for one in cps),
            ("bring workers", WorkersStaged(nodes=tuple(workers)), 40),
            ("publish", published, 3),
            summary=summarize_ca_rotation(stage, staged, published, {}),
        ),
    }


def _users() -> dict[str, Report]:
    granted, gone = user_facts.granted(), user_facts.revoked()
    facts = user_facts.facts(held=(user_facts.held(),), entries=(user_facts.entry(),))
    plan = plan_grant(facts, GrantOptions(requested_by="Ada"), mode=Mode.APPROVE, run_id="now", now=user_facts.NOW)
    removed = Removed(removed=("kube-runbooks-access/ada-e1",))
    found = user_facts.revocation(held=(user_facts.held(),), entries=(user_facts.entry(),))
    return {
        "user_access": report(
            "user_access",
            plan,
            ("check store", None, 1),
            ("observe user", facts, 2),
            ("apply access", Applied(done=("RoleBinding shop/kube-runbooks:user:ada created",)), 1),
            ("remove leftovers", Removed(), 1),
            ("give credential", granted, 4),
            ("remove previous", removed, 1),
            summary=summarize_grant(granted, Removed(), removed),
        ),
        "user_revoke": report(
            "user_revoke",
            plan_revoke(found, user_facts.NOW),
            ("check store", None, 1),
            ("observe revocation", found, 1),
            ("take back", gone, 12),
            ("check nothing left", None, 1),
            summary=summarize_revoke(gone),
        ),
    }


def _access() -> dict[str, Report]:
    fine = access.audit(access.finding("legacy-token:shop/old", "medium"))
    bad = access.audit(
        access.finding("read-secrets:User:ada:*", "high"),
        access.finding("exec:User:bob:shop", "medium"),
        cells=({"right": "get secrets", "wanted": "deny", "allowed": True},),
    )
    judged, alarm = judge_audit(fine), judge_audit(bad)
    alarm_problem, alarm_step = refused_by(with_commands(alarm, lambda text: filled(text, "prod")))
    steps: Any = (("check store", None, 1), ("audit access", fine, 4), ("publish audit", None, 1))
    return {
        "access_audit": report("access_audit", judged, *steps, approval=None, summary=summarize_audit(fine, judged)),
        "access_audit-refused": report(
            "access_audit",
            alarm,
            ("check store", None, 1),
            ("audit access", bad, 4),
            ("publish audit", None, 1),
            approval=None,
            outcome=Outcome.REFUSED,
            problem=alarm_problem,
            next_step=alarm_step,
        ),
    }


def _access_given() -> dict[str, Report]:
    found = access_apply.comparison(
        access_apply.change(Act.CREATE, "kube-runbooks:user:ada", "+ get, list pods"),
        access_apply.change(Act.DELETE, "kube-runbooks:user:bob", "- get secrets"),
        same=12,
        cells=access_apply.failing(2),
        cautions=tuple(tell_cells(access_apply.failing(2), ())),
    )
    plan, drift = plan_apply(found, ApplyOptions()), judge_drift(found)
    problem, step = refused_by(with_commands(drift, lambda text: filled(text, "prod")))
    applied = Applied(done=("create Role shop/kube-runbooks:user:ada",))
    deleted = Applied(done=("delete Role shop/kube-runbooks:user:bob",))
    proven = Proven(same=13, holding=2)
    before: Any = (("check store", None, 1), ("compare with policy", found, 2))
    acts: Any = (("apply access", applied, 1), ("delete access", deleted, 1), ("prove access", proven, 1))
    told = summarize_apply(applied, deleted, proven)
    refusal: Any = {"outcome": Outcome.REFUSED, "problem": problem, "next_step": step}
    return {
        "access_apply": report("access_apply", plan, *before, *acts, summary=told),
        "access_drift-refused": report("access_drift", drift, *before, approval=None, **refusal),
    }


def _registries() -> dict[str, Report]:
    old = pulls.secret(pulls.OLD_NAME, pulls.BEFORE)
    pods = (pulls.namer("Pod", "web-1", pulls.OLD_NAME),)
    there = pulls.found(old, namers=pods, accounts=(pulls.account(pulls.OLD_NAME, "theirs"),))
    asked = (pulls.answer(NOBODY, Verdict.REFUSED), pulls.answer())
    facts = pulls.facts(there, *asked, pulls.old())
    created, proven = Created(created=(f"shop/{pulls.NEW_NAME}",)), registry.Proven(asked=asked)
    switched = Switched(switched=(f"shop/default: [{pulls.OLD_NAME}, theirs] -> [{pulls.NEW_NAME}, theirs]",))
    removed = registry.Removed(kept=(f"shop/{pulls.OLD_NAME}: named by shop/pod/web-1",))
    left = Left(old=(pulls.old(),))
    return {
        "registry_credentials": report(
            "registry_credentials",
            plan_credentials(facts, CredentialOptions()),
            ("check store", None, 1),
            ("observe credentials", facts, 3),
            ("create secrets", created, 1),
            ("prove pull", proven, 2),
            ("switch accounts", switched, 1),
            ("prove pull", proven, 2),
            ("remove old secrets", removed, 1),
            ("look again", left, 3),
            summary=summarize_credentials(facts, created, proven, switched, removed, left),
        )
    }


def _resources() -> dict[str, Report]:
    """A backup that is partial, so that each line of a summary is in it."""
    older = resources.manifest(resources.entry("gone"), resources.entry("app"))
    silent = (Skip(subject="*.example.com", reason="the API server of example.com/v1 does not answer"),)
    left = (
        LeftOut(what="leases.coordination.k8s.io", count=0, reason="their holders write them again all the time"),
        LeftOut(what="pods", count=12, reason="its controller makes it"),
        LeftOut(what="configmaps", count=3, reason="every namespace gets it"),
    )
    taken = resources.manifest(
        resources.entry("app", sha256="2"), not_read=silent, left_out=left, previous=older.id, recipients=("age1",)
    )
    facts = ResourceFacts(kinds=(resources.kind(),), left_out=left[:1], silent=silent, recipients=("age1",))
    proof = FilesProof(files=1, packs=1, present=2, took=SECOND)
    pairs, unread = pairs_of(older, taken)
    changes = tuple(to_change(one, older.taken_at, "-a: 1\n+a: 2\n") for one in pairs)
    compared = Comparison(older=older.id, newer=taken.id, changed=1, deleted=1, not_compared=unread, changes=changes)
    cleaned = Cleaned(
        retention=RetentionDecision(kept=(KeptBackup(id=taken.id, reasons=("last",)),), removed=()), marked=1
    )
    place = f"s3://backups/prod/resources/{taken.id}/"
    told = summarize_resources(taken, place, proof, compared, cleaned)
    steps: Any = (
        ("check store", None, 1),
        ("observe resources", facts, 1),
        ("resources of this run", None, 1),
        ("take resources", taken, 9),
        ("read back resources", proof, 1),
        ("write resources manifest", taken, 1),
        ("compare resources", compared, 1),
        ("clean resources", cleaned, 1),
    )
    try:
        refuse_partial(taken)
    except NotYet as error:
        ended: dict[str, Any] = {
            "outcome": Outcome.FAILED,
            "problem": error.problem,
            "next_step": filled(error.hint, "prod"),
        }
    name = "resources_backup_to_s3"
    return {f"{name}-partial": report(name, plan_backup(facts), *steps, approval=None, summary=told, **ended)}


def _objects() -> dict[str, Report]:
    facts = resources_restore.shop()
    written = tuple(one.target.label for one in facts.judged[:4])
    restored, proof = objects.Restored(created=written), objects.RestoreProof(same=4)
    left = (objects.LeftOut(label="Pod/shop/bare", reason="a pod would run"),)
    shop = objects.Compared(
        namespace="shop", throwaway="kube-runbooks-drill-0a1b2c3d-0", restored=12, tried=3, left=left
    )
    drilled = objects.Drilled(
        backup=resources_restore.BACKUP,
        taken_at=NOON,
        namespaces=(shop,),
        cluster_scoped=140,
        removed=(shop.throwaway,),
    )
    return {
        "resources_restore": report(
            "resources_restore",
            plan_restore_of_objects(facts, objects.ResourceRestoreOptions()),
            ("check store", None, 1),
            ("judge objects", facts, 6),
            ("restore objects", restored, 4),
            ("delete extra", objects.Restored(), 1),
            ("prove objects", proof, 2),
            summary=summarize_objects(facts, restored, objects.Restored(), proof),
        ),
        "resources_restore_drill": report(
            "resources_restore_drill",
            None,
            ("check store", None, 1),
            ("drill objects", drilled, 25),
            summary=summarize_resource_drill(drilled),
        ),
    }


def _volumes() -> dict[str, Report]:
    made = volumes.backup()
    claims = (volumes.CLAIM, volumes.claim(name="data-db-1", volume="pv-2"), volumes.claim(name="tmp", phase="Pending"))
    stored = (volumes.VOLUME, volumes.VOLUME.model_copy(update={"name": "pv-2"}), volumes.DISK)
    facts = volumes.facts(
        *claims,
        volumes.DISK_CLAIM,
        volumes=stored,
        homes=(volumes.HOME,),
        hooks=(volumes.HOOK,),
        pods=(volumes.POD,),
    )
    plan = plan_volumes(facts, volumes.SHOP, VolumeOptions(leave_out=True))
    cut = Cut(created=tuple(one.snapshot for one in made.records), quiesced=(volumes.QUIESCED,))
    kept = SnapshotsKept(records=made.records)
    socket = Skip(subject="run/db.sock", reason="a socket, which no archive contains")
    archived = Archived(archives=(volumes.archive(left_out=(socket,)),))
    made = made.model_copy(update={"left_out": plan.skips, "archives": archived.archives, "quiesced": cut.quiesced})
    expired = Expired(removed=(Expiry(id="20261122T120000Z", reason="no rule keeps it: newer backups fill last 7"),))
    waits = "shop/data-db-1: the storage has not cut it yet; the last error, which is retried: quota exceeded"
    return {
        "volumes_backup": report(
            "volumes_backup",
            plan,
            ("check store", None, 1),
            ("thaw containers", Thawed(), 1),
            ("observe volumes", facts, 1),
            ("cut snapshots", cut, 4),
            ("retain snapshots", kept, 1),
            ("await ready", kept, 240),
            ("archive volumes", archived, 30),
            ("read archives back", archived, 10),
            ("write volume manifest", made, 1),
            ("prove volume backup", kept, 1),
            ("expire volumes", expired, 3),
            summary=summarize_volume_backup(made, f"s3://backups/prod/volumes/{made.id}/", cut, expired),
            approval=None,
        ),
        "volumes_backup-failed": report(
            "volumes_backup",
            plan,
            ("check store", None, 1),
            ("thaw containers", Thawed(over=("shop/db-0 main",)), 1),
            ("observe volumes", facts, 1),
            doing="cut snapshots",
            problem=f"{waits} (waited 10 min for the storage to cut the snapshots)",
            outcome=Outcome.FAILED,
            next_step=f"`kubectl describe volumesnapshotcontents -l {RUN}={RUN_ID}` shows the events; then {RETRY}",
            approval=None,
        ),
    }


def _volumes_restored() -> dict[str, Report]:
    run = CheckRun(check=volumes.CHECK.name, pod="shop/db-0", container="main")
    before = Checked(runs=(run.model_copy(update={"problem": "it ended with status 1"}),))
    facts = restored.facts(users=(restored.USER,), checks=(volumes.CHECK,), checked=before)
    plan = plan_volume_restore(facts, VolumeRestoreOptions(switch=True))
    new = NewVolume(
        id="shop/data-db-0", claim=plan.targets[0].made, volume="pv-2", handle="vol-2", size="10Gi", created=True
    )
    made = NewVolumes(volumes=(new,))
    kept = KeptVolumes(volumes=(KeptVolume(name="pv-1", policy="Delete"),))
    started = Started(started=(restored.USER.name,))
    bound = Bound(claims=("shop/data-db-0: pv-2",))
    proof = VolumeProof(
        bound=("shop/data-db-0: pv-2 (vol-2)",),
        ready=("shop/statefulset/db: 3 of 3 pods are available",),
        checked=Checked(runs=(run,)),
    )
    waits = "shop/data-db-0: the claim data-db-0-switch has no volume yet: quota exceeded"
    begun = (
        ("check store", None, 1),
        ("observe volume restore", facts, 1),
        ("import snapshots", Imported(), 1),
        ("restore archives", FromArchives(), 1),
    )
    beside = plan_volume_restore(
        restored.facts(checks=(volumes.CHECK,), trials=(restored.TRIAL,), left=(restored.LEFT,)), VolumeRestoreOptions()
    )
    one = made.model_copy(update={"volumes": (new.model_copy(update={"claim": "data-new"}),)})
    seen = proof.model_copy(update={"bound": ("shop/data-new: pv-2 (vol-2)",), "ready": (), "checked": Checked()})
    trial = run.model_copy(update={"pod": restored.TRIAL.id, "claims": ("data-new",)})
    files, none = Checked(runs=(trial,)), (KeptVolumes(), Started())
    return {
        "volumes_restore-beside": report(
            "volumes_restore",
            beside,
            *begun,
            ("make volumes", one, 40),
            ("prove volume restore", seen, 1),
            ("check new claims", files, 9),
            summary=summarize_volume_restore(beside, one, *none, seen, files=files),
        ),
        "volumes_restore": report(
            "volumes_restore",
            plan,
            *begun,
            ("make volumes", made, 40),
            ("stop workloads", Stopped(stopped=(restored.USER.name,)), 12),
            ("keep old volumes", kept, 2),
            ("bind new volumes", bound, 3),
            ("start workloads", started, 1),
            ("prove volume restore", proof, 30),
            ("close switches", bound, 1),
            summary=summarize_volume_restore(plan, made, kept, started, proof),
        ),
        "volumes_restore-failed": report(
            "volumes_restore",
            plan,
            *begun,
            doing="make volumes",
            problem=f"{waits} (waited 1 h for the storage to make the volume)",
            outcome=Outcome.FAILED,
            next_step=f"`kubectl -n shop describe pvc data-db-0-switch` shows the events; then {RETRY}",
        ),
    }


def _etcd() -> dict[str, Report]:
    full: dict[str, Any] = {"db_size": 400 * MIB, "db_size_in_use": 100 * MIB}
    three = etcd.facts(*(etcd.member(name, is_leader=name == "m1", **full) for name in ("m1", "m2", "m3")))
    plan, health = plan_maintenance(three, Worth()), plan_health(three)
    done = [
        Defragmented(member=name, before=400 * MIB, after=100 * MIB, took=4 * SECOND) for name in ("m2", "m3", "m1")
    ]
    begun = (("check store", None, 1), ("observe etcd", None, 2))
    swept, kept = Swept(uploads=(), objects=()), RetentionDecision(kept=(), removed=())
    proof = BackupProof(backup=BACKUP.id, flow_run=RUN_ID, taken_at=BACKUP.snapshot.taken_at, run_began_at=NOON)
    place = f"s3://backups/prod/etcd/{BACKUP.id}"
    live = KeySpaceHash(hash=1, revision=4711, compact_revision=4000)
    drill = Drill(
        backup_id=BackupId.model_validate(BACKUP.snapshot.backup_id),
        revision=4711,
        restored_revision=4712,
        restored_keys=500,
        restored_hash=live,
        live_hash=live,
        etcd_version="3.6.16",
        took=3 * SECOND,
    )
    fresh = Freshness(newest=BACKUP.snapshot.backup_id, age=timedelta(hours=2), rpo=timedelta(hours=26))
    return {
        "etcd_maintenance": report(
            "etcd_maintenance",
            plan,
            *begun,
            *(("defragment member", one, 4) for one in done),
            summary=summarize_maintenance(done, None),
        ),
        "etcd_health": report("etcd_health", None, *begun, summary=summarize_health(three, health)),
        "etcd_backup_to_s3": report(
            "etcd_backup_to_s3",
            choose_source(three),
            *begun,
            ("sweep leftovers", swept, 1),
            ("take snapshot", BACKUP.snapshot.model_copy(update={"member": "m2"}), 4),
            ("read back", BACKUP.read_back, 2),
            approval=None,
            summary=summarize_backup(BACKUP, place, proof, swept, kept),
        ),
        "etcd_restore_drill": report(
            "etcd_restore_drill",
            None,
            *begun[:1],
            ("find backup", BACKUP, 1),
            ("restore drill", drill, 3),
            summary=summarize_drill(BACKUP, place, drill, fresh),
        ),
    }


def _restores() -> dict[str, Report]:
    plan = restore.plan(restore.facts(*(restore.node(name) for name in ("cp1", "cp2", "cp3"))), replace_healthy=True)
    etcd_now = Restored(
        cluster_id="c2", members=("cp1", "cp2", "cp3"), revision=1_000_004_711, key_count=500, hash=1, leader="cp1"
    )
    proof = Recovered(
        nodes_ready=("cp1", "cp2", "cp3"),
        nodes_not_ready={},
        not_in_backup=("w2",),
        leases_renewed=("cp1",),
        written="kube-system/kube-runbooks",
        old_watch="410 Gone",
    )
    ended = Ended(kept={"cp1": Kept(original="/var/lib/etcd.before-11111111")})
    begun = (
        ("check store", None, 1),
        ("observe control planes", None, 4),
        ("find restorable", BACKUP, 1),
        ("observe records", None, 1),
    )
    acts = ("prepare data", "stop control plane", "swap data")
    phases: Sequence[tuple[str, object, int]] = [(name, None, 20) for name in acts]
    return {
        "etcd_restore_from_s3": report(
            "etcd_restore_from_s3",
            plan,
            *begun,
            *phases,
            ("start etcd", etcd_now, 9),
            ("prove recovery", proof, 5),
            ("end restore", ended, 2),
            approval=None,
            summary=summarize_restore(plan, etcd_now, proof, ended),
        ),
        "etcd_restore_from_s3-crashed": report(
            "etcd_restore_from_s3",
            plan,
            *begun,
            *phases[:2],
            outcome=Outcome.CRASHED,
            approval=None,
            doing="swap data",
            problem="the flow run ended as crashed: the process was killed",
            next_step=RETRY,
            way_back="kube-runbooks run etcd-restore prod --rollback --mode=apply --confirm=prod",
        ),
    }


def _workloads() -> dict[str, Report]:
    begun = (("check store", None, 1), ("observe status", None, 1))
    fine = workloads.status_found(workloads.workload())
    crash = workloads.waiting("CrashLoopBackOff", restarts=2, exit_code=3, exit_reason="Error")
    failed = workloads.status_found(workloads.workload(available=0, pods=(workloads.pod("web-2-a", crash),)))
    problem = judge_status(failed).refusals[0]
    plan = plan_rollout(workloads.rollout_facts(gates=("orders",)), workloads.request(), RolloutOptions())
    asked = (*begun[:1], ("observe rollout", None, 1))
    one = Rolled(
        workload="shop/deployment/web",
        changed=True,
        revision="web-2",
        revision_before="web-1",
        pods=2,
        left_out=("tls",),
    )
    rolled = GroupRolled(group=1, workloads=(one,), took=162 * SECOND, gates=("orders",), baked=120 * SECOND)
    back = PutBack(workload="shop/deployment/web", images={"main": "web:1"})
    rolled_back = RolledBack(
        workload="shop/deployment/web",
        to="revision 1 (web-1)",
        changed=True,
        revision="web-1",
        images={"main": "web:1"},
        config=("ConfigMap settings",),
        took=12 * SECOND,
    )
    return {
        "workload_status": report(
            "workload_status", judge_status(fine), *begun, approval=None, summary=summarize_status(fine)
        ),
        "workload_history": report(
            "workload_history",
            Plan(),
            *begun[:1],
            ("observe history", None, 1),
            approval=None,
            summary=summarize_history(workloads.histories()),
        ),
        "workload_rollout": report(
            "workload_rollout",
            plan,
            *asked,
            ("roll out group", rolled, 162),
            summary=summarize_rollout((rolled,)),
        ),
        "workload_rollback": report(
            "workload_rollback",
            plan_rollback(workloads.rollback_facts(), workloads.rollback_request(), RollbackOptions()),
            *begun[:1],
            ("observe rollback", None, 1),
            ("roll back workload", rolled_back, 12),
            summary=summarize_rollback((rolled_back,)),
        ),
        "workload_rollout-failed": report(
            "workload_rollout",
            plan,
            *asked,
            ("put back group", GroupPutBack(workloads=(back,)), 12),
            outcome=Outcome.FAILED,
            problem="shop/deployment/web: 1 of 2 pods have the new template: pod web-2-a, container main: it ended with exit code 3 (Error), "
            "2 times; shop/deployment/web is back, and runs main=web:1",
            next_step=AGAIN,
        ),
        "workload_status-refused": report(
            "workload_status",
            judge_status(failed),
            *begun,
            approval=None,
            outcome=Outcome.REFUSED,
            problem=f"{problem.subject}: {problem.problem}",
            next_step=problem.next_step,
        ),
    }


def all_reports() -> dict[str, Report]:
    """The reports by the names of their golden files, which begin with the runbook's."""
    return (
        _upgrades()
        | _patches()
        | _nodes()
        | _certificates()
        | _access()
        | _users()
        | _access_given()
        | _registries()
        | _resources()
        | _objects()
        | _volumes()
        | _volumes_restored()
        | _etcd()
        | _restores()
        | _workloads()
    )
