"""The same cluster looked at twice: what changes by the minute is in no plan's digest. For each plan that is approved, or names jobs."""

import importlib
import inspect
import pkgutil
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect import Flow

import flows
from tasks.access_apply.models import Act, ApplyOptions
from tasks.access_apply.policy.expected import tell_cells
from tasks.access_apply.policy.plan import plan_apply
from tasks.ca_rotation.models import CaRotationOptions, Stage
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.cert_rotation.models.rotation import ProofsNow, RotationOptions
from tasks.cert_rotation.policy.plan import plan_rotation
from tasks.certificate_issue.models import IssueFacts
from tasks.certificate_issue.policy.plan import plan_issue
from tasks.certificates.models.authorities import State
from tasks.core.models.plan import Mode, Plan
from tasks.core.models.profile import CertificateRules, MaintenanceRules, UpgradeRules
from tasks.drain.models import DrainForecast, Treatment, Verdict
from tasks.etcd.models import Worth
from tasks.etcd.policy.maintenance import plan_maintenance
from tasks.node_service.models import RebootOptions, Request
from tasks.node_service.policy.plan import plan_drain, plan_reboot, plan_uncordon
from tasks.node_work.models.controllers import COMPONENTS, Controllers, Instance, Leader
from tasks.node_work.models.health import Symptom
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.policy.plan import plan_patch
from tasks.registry_credentials.models import CredentialOptions
from tasks.registry_credentials.policy.plan import plan_credentials
from tasks.resources_restore.models import ResourceRestoreOptions
from tasks.resources_restore.models import Verdict as ObjectVerdict
from tasks.resources_restore.policy.plan import plan_restore_of_objects
from tasks.restore.models import ControlPlaneFacts, RestoreRequest
from tasks.restore.policy.plan import plan_restore
from tasks.run.models.records import OpenRecord, OpenRecords, RecordKind
from tasks.run.policy.approval import covered, digest_of
from tasks.run.policy.records import mind_records
from tasks.upgrade.models.upgrade import UpgradeOptions
from tasks.upgrade.policy.plan import plan_upgrade
from tasks.user_access.models.grant import GrantOptions
from tasks.user_access.policy.plan import plan_grant
from tasks.user_access.policy.revoke import plan_revoke
from tasks.volumes.models.selection import VolumeOptions
from tasks.volumes.policy.plan import plan_volumes
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.workloads.models.changes import RolloutOptions
from tasks.workloads.models.rollback import RollbackOptions
from tasks.workloads.policy.plan import plan_rollout
from tasks.workloads.policy.rollback import plan_rollback
from tests.facts import access_apply as access_facts
from tests.facts import ca as ca_facts
from tests.facts import certificates as certificate_facts
from tests.facts import etcd as etcd_facts
from tests.facts import issue as issue_facts
from tests.facts import node_service as service_facts
from tests.facts import patch as patch_facts
from tests.facts import pulls as pull_facts
from tests.facts import resources_restore as object_facts
from tests.facts import restore as restore_facts
from tests.facts import rotation as rotation_facts
from tests.facts import upgrade as upgrade_facts
from tests.facts import user_access as user_facts
from tests.facts import volumes as volume_facts
from tests.facts import volumes_restore as claim_facts
from tests.facts import workloads as workload_facts

minutes = st.integers(0, 90).map(lambda number: timedelta(minutes=number))
locks = st.one_of(st.just(""), st.integers().map(lambda number: f"apt-get (process {number})"))
GONE = (Treatment.EVICT, Treatment.EVICT_FOR_GOOD)
sizes = st.integers(10**9, 2 * 10**9)


@st.composite
def forecasts(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[DrainForecast, ...]:
    """Of the same controllers, with other pods, and another budget's figures."""
    made = []
    for name in names:
        count = draw(st.integers(1, 4))
        pods = [
            Verdict(pod=f"shop/web-{draw(st.integers())}", uid="1", treatment=Treatment.EVICT, owner="shop/web-*")
            for _ in range(count)
        ]
        job = Verdict(
            pod=f"shop/job-{draw(st.integers())}", uid="2", treatment=draw(st.sampled_from(GONE)), loss="data"
        )
        lost = Verdict(
            pod=f"db/pg-{draw(st.integers())}",
            uid="3",
            treatment=Treatment.EVICT_FOR_GOOD,
            owner="db/pg-*",
            reason=f"{draw(st.integers())}",
            loss="it does not run until this node is back",
        )
        wait = f"PodDisruptionBudget shop/web (minAvailable 2) needs 2 healthy pods, has {draw(st.integers(0, 2))}: web-1 would wait"
        other = f"budget db/pg (maxUnavailable 1) needs 1 healthy pods, has {draw(st.integers(0, 2))}: pg-0 would wait"
        waits = draw(st.sampled_from([(wait,), (wait, other), (other, wait)]))
        made.append(DrainForecast(node=name, verdicts=(*pods, job, lost), waits=waits))
    if len(made) > 1:  # the pod that is lost somewhere has moved there
        away = draw(st.sampled_from([number for number, one in enumerate(made) if one.node != "w1"]))
        made[away] = made[away].model_copy(update={"verdicts": made[away].verdicts[:-1]})
    return tuple(draw(st.permutations(made)))


@st.composite
def symptoms(draw: st.DrawFn) -> tuple[Symptom, ...]:
    """What a proof finds already, in this moment's words."""
    return (
        Symptom(of="DaemonSet shop/logs", problem=f"pod shop/logs-{draw(st.integers())} is not ready"),
        Symptom(of="Service x", problem=f"it answers nothing after {draw(st.integers())} ms"),
    )


@st.composite
def records(draw: st.DrawFn) -> OpenRecords:
    """On nodes that do not answer, and of a rotation of the CA between its stages."""
    halves = OpenRecord(kind=RecordKind.CA, node="cp1", runbook="ca_rotation", began_at=upgrade_facts.NOW, about="ca")
    why = f"no answer after {draw(st.integers())} ms"
    return OpenRecords(found=(halves,), unseen={"w8": why, "w9": why})


@st.composite
def controllers(draw: st.DrawFn) -> Controllers:
    """One of which nobody leads, and whose instances wait."""
    instances = [
        Instance(
            component=name,
            node=node,
            problem=f"its pod is not Ready: {draw(st.sampled_from(['Error', 'CrashLoopBackOff']))}",
        )
        for name in COMPONENTS
        for node in ("cp1", "cp2", "cp3")
    ]
    leader = Leader(
        component=COMPONENTS[0],
        lease="kube-system/x",
        holder="cp1_1",
        seconds=draw(st.integers(15, 60)),
        is_alive=False,
    )
    return Controllers(instances=tuple(instances), leaders=(leader,))


@st.composite
def etcd_members(draw: st.DrawFn) -> Any:  # noqa: ANN401 - members
    """The same ones, some writes later."""
    return tuple(
        etcd_facts.member(name, is_leader=name == "cp2").model_copy(
            update={
                "status": etcd_facts.status(
                    is_leader=name == "cp2",
                    revision=draw(sizes),
                    raft_lag=draw(st.integers(1001, 2000)),
                    db_size=draw(st.integers(19 * 10**8, 2 * 10**9)),
                    db_size_in_use=draw(st.integers(10**8, 2 * 10**8)),
                ),
                "route_reason": draw(st.text(max_size=3)),
            }
        )
        for name in ("cp1", "cp2", "cp3")
    )


@st.composite
def upgrades(draw: st.DrawFn) -> Plan:
    """Under way on a worker, whose kubelet is late."""
    node = {
        "annotations": {"kube-runbooks.io/cordoned-by": "run-0"},
        "heartbeat": upgrade_facts.NOW - timedelta(seconds=draw(st.integers(100, 999))),
        "cordoned": True,
    }
    machine = {
        "clock_offset": timedelta(seconds=draw(st.integers(3, 29))),
        "free_bytes": {"/var/lib": draw(sizes) * 5, "/etc/kubernetes": draw(sizes)},
        "etcd_bytes": draw(st.integers(1, 10**6)),
    }
    facts = upgrade_facts.cluster(
        nodes={"w1": node},
        machines={"cp1": machine},
        api={
            "forecasts": draw(forecasts(upgrade_facts.ALL)),
            "workloads": (upgrade_facts.workload("kube-system/coredns", ready=draw(st.integers(0, 1))),),
            "pods_not_ready": (f"kube-system/dns-1 ({draw(st.sampled_from(['Error', 'CrashLoopBackOff']))})",),
            "unavailable_apis": {"v1.metrics": f"no answer after {draw(st.integers())} ms"},
        },
        controllers=draw(controllers()),
        symptoms={"w2": draw(symptoms())},
        manifests=tuple(
            one.model_copy(update={"problem": f"open /tmp/tmp.{draw(st.integers())}/config.yaml"})
            for one in upgrade_facts.cluster().manifests
        ),
        etcd=draw(etcd_members()),
        history={"cp1": draw(minutes)},
    )
    now = upgrade_facts.NOW + draw(minutes)
    plan = plan_upgrade(facts, "1.37.2", UpgradeOptions(), UpgradeRules(ignore_preflight_errors=("x",)), now=now)
    return mind_records(plan, draw(records()), "rolling_upgrade", "prod")


@st.composite
def situations(draw: st.DrawFn) -> Any:  # noqa: ANN401 - ClusterPatchFacts
    """With other pods and times; somebody rolls something out."""
    rollout = upgrade_facts.workload("shop/cart").model_copy(update={"rollout": f"{draw(st.integers())} of 3"})
    return patch_facts.cluster(
        forecasts=draw(forecasts(upgrade_facts.ALL)),
        etcd=draw(etcd_members()),
        earlier=patch_facts.earlier(w1=draw(st.integers(1, 20))),
        workloads=(rollout,),
        symptoms={"w1": draw(symptoms())},
        patches={"w1": {"updates": patch_facts.updates(locked_by=draw(locks))}},
    )


@st.composite
def patches(draw: st.DrawFn) -> Plan:
    """In a window that is open all day; one worker waits for the next one."""
    facts = draw(situations()).model_copy(update={"workloads": ()})
    rules = patch_facts.rules(("00:00", "00:00"), expected_duration="20m")
    now = upgrade_facts.NOW + draw(minutes)
    return plan_patch(facts, PatchOptions(), rules, now=now)


@st.composite
def reboots(draw: st.DrawFn) -> Plan:
    """Of a worker, while something is rolled out."""
    request = Request(node="w1", reason="its disk", run_id=patch_facts.RUN)
    now = upgrade_facts.NOW + draw(minutes)
    found = draw(situations())
    away = {"ready": False, "ready_message": f"pleg was last seen active {draw(st.integers())} s ago"}
    nodes = tuple(one.model_copy(update=away) if one.name in {"w1", "w2"} else one for one in found.nodes)
    return plan_reboot(found.model_copy(update={"nodes": nodes}), RebootOptions(), request, MaintenanceRules(), now=now)


@st.composite
def drains(draw: st.DrawFn) -> Plan:
    """Of a worker."""
    found = draw(forecasts(("w1",)))[0]
    node = {"ready": False, "ready_message": f"pleg was last seen active {draw(st.integers())} s ago"}
    return plan_drain(service_facts.facts(node, forecast=found), service_facts.WANTED)


@st.composite
def uncordons(draw: st.DrawFn) -> Plan:
    """Of a worker that a person has cordoned."""
    node = {"cordoned": True, "heartbeat": upgrade_facts.NOW + draw(minutes)}
    facts = service_facts.facts(node, symptoms=draw(symptoms()))
    return plan_uncordon(facts, service_facts.WANTED, any_cordon=True)


@st.composite
def rotations(draw: st.DrawFn) -> Plan:
    """Of leaves that are due, with others that are not, and a CA that ends before they would."""
    nodes = tuple(
        certificate_facts.changed(
            certificate_facts.control_plane(f"cp{n}", days=10, ca_days=100), "apiserver", not_after=end
        )
        for n in (1, 2, 3)
        for end in [certificate_facts.NOW + timedelta(days=200, minutes=n * 700)]
    )
    asks = rotation_facts.GOOD.model_copy(update={"name": f"csr-{draw(st.integers())}"})
    wrong = asks.model_copy(update={"name": f"csr-{draw(st.integers())}-x", "names": ("DNS:kubernetes",)})
    facts = rotation_facts.facts(
        *nodes,
        certificate_facts.worker().model_copy(update={"addresses": ("10.0.1.1",)}),
        etcd=None,
        own_ends={"etcd.client": certificate_facts.NOW + timedelta(days=5)},
        requests=draw(st.permutations([asks, wrong, asks.model_copy(update={"name": f"{asks.name}-again"})])),
        proofs=(
            ProofsNow(
                node="cp1",
                ails={"kube-scheduler": f"after {draw(st.integers())} ms"},
                nobody={"/etc/kubernetes/admin.conf": f"E1130 07:47:20.{draw(st.integers())} no route"},
            ),
        ),
    )
    options = RotationOptions(renew_before=timedelta(days=30))
    return plan_rotation(facts, options, CertificateRules(), now=certificate_facts.NOW + draw(minutes) * 40)


@st.composite
def ca_rotations(draw: st.DrawFn) -> Plan:
    """With pods that were started before."""
    pods = tuple(f"shop/web-{draw(st.integers())}" for _ in range(draw(st.integers(1, 20))))
    facts = ca_facts.facts(state=State.BOTH, api={"old_pods": pods})
    options = CaRotationOptions(old_pods_are_fine=True)
    return plan_ca_rotation(
        facts, Stage.SIGN_WITH_NEW, options, CertificateRules(), now=certificate_facts.NOW + draw(minutes)
    )


@st.composite
def issues(draw: st.DrawFn) -> Plan:
    """By a CA that ends soon."""
    whole = issue_facts.whole("cp1", without="apiserver.crt")
    soon = issue_facts.changed(whole, "pki/ca.crt", not_after=certificate_facts.NOW + timedelta(days=20))
    others = tuple(issue_facts.whole(name) for name in issue_facts.STACKED.machines if name != "cp1")
    facts = IssueFacts(
        observed_at=certificate_facts.NOW, folder=PurePosixPath(certificate_facts.FOLDER), machines=(soon, *others)
    )
    return plan_issue(facts, issue_facts.STACKED, now=certificate_facts.NOW + draw(minutes) * 30)


@st.composite
def maintenances(draw: st.DrawFn) -> Plan:
    """Near the quota, with a lag."""
    return plan_maintenance(etcd_facts.facts(*draw(etcd_members())), Worth())


@st.composite
def restores(draw: st.DrawFn) -> Plan:
    """Of a cluster that is still written to."""
    member = restore_facts.member("cp1", data_bytes=draw(sizes), free_bytes=draw(sizes))
    facts = ControlPlaneFacts(
        observed_at=restore_facts.NOON,
        nodes=(restore_facts.node("cp1", member=member),),
        live_revision=draw(st.integers(5000, 10**8)),
    )
    now = restore_facts.NOON + draw(minutes)
    request = RestoreRequest(cluster="prod", confirm="prod")
    return plan_restore(facts, restore_facts.backup(), request, restore_id="r", now=now)


@st.composite
def rollouts(draw: st.DrawFn) -> Plan:
    """Of a workload whose pods come and go."""
    missing = f"{draw(st.integers(0, 2))} of 3 new pods are available"
    facts = workload_facts.rollout_facts(workload_facts.target(problem=missing))
    return plan_rollout(facts, workload_facts.request(), RolloutOptions())


@st.composite
def rollbacks(draw: st.DrawFn) -> Plan:
    """As above."""
    missing = f"{draw(st.integers(0, 2))} of 3 new pods are available"
    one = workload_facts.back_target(found=workload_facts.target(problem=missing))
    return plan_rollback(workload_facts.rollback_facts(one), workload_facts.rollback_request(), RollbackOptions())


@st.composite
def grants(draw: st.DrawFn) -> Plan:
    """What interrupted runs left comes and goes."""
    left = tuple(user_facts.held(f"left{number}") for number in range(draw(st.integers(0, 2))))
    requests = tuple(f"csr-{draw(st.integers())}" for _ in range(draw(st.integers(0, 2))))
    same = user_facts.objects(same=draw(st.integers(1, 9)))
    facts = user_facts.facts(
        held=(user_facts.held(), *left), entries=(user_facts.entry(),), requests=requests, objects=same
    )
    now = user_facts.NOW + draw(minutes)
    return plan_grant(facts, GrantOptions(), mode=Mode.APPROVE, run_id="r", now=now)


@st.composite
def revocations(draw: st.DrawFn) -> Plan:
    """The same."""
    requests = tuple(f"csr-{draw(st.integers())}" for _ in range(draw(st.integers(0, 2))))
    entries = (user_facts.certificate_entry(),)
    facts = user_facts.revocation(held=(user_facts.held(),), entries=entries, requests=requests)
    return plan_revoke(facts, user_facts.NOW + draw(minutes))


@st.composite
def accesses(draw: st.DrawFn) -> Plan:
    """Of a policy of which a part is given already, in another order each time."""
    cells = access_facts.failing(draw(st.integers(1, 9)))
    found = access_facts.comparison(
        access_facts.change(Act.CREATE), same=draw(st.integers(1, 99)), cautions=tuple(tell_cells(cells, ()))
    )
    return plan_apply(found, ApplyOptions())


@st.composite
def registry_credentials(draw: st.DrawFn) -> Plan:
    """Of an old Secret that pods still name."""
    pods = tuple(pull_facts.namer("Pod", f"web-{draw(st.integers())}", pull_facts.OLD_NAME) for _ in range(2))
    there = pull_facts.found(pull_facts.secret(pull_facts.OLD_NAME, pull_facts.BEFORE), namers=pods)
    said = pull_facts.old().model_copy(update={"said": f"after {draw(st.integers())} ms"})
    return plan_credentials(pull_facts.facts(there, pull_facts.answer(), said), CredentialOptions())


@st.composite
def objects(draw: st.DrawFn) -> Plan:
    """Other objects were made meanwhile, as the backup has them."""
    found = object_facts.shop()
    same = [
        object_facts.judged(ObjectVerdict.UNCHANGED, object_facts.target("ConfigMap", f"c{number}", "ops"))
        for number in range(draw(st.integers(0, 5)))
    ]
    return plan_restore_of_objects(
        found.model_copy(update={"judged": (*found.judged, *same)}), ResourceRestoreOptions()
    )


@st.composite
def volume_backups(draw: st.DrawFn) -> Plan:
    """Of the same claim, seen at another time."""
    found = volume_facts.facts(volume_facts.CLAIM, observed_at=volume_facts.NOW + draw(minutes))
    return plan_volumes(found, volume_facts.SHOP, VolumeOptions())


@st.composite
def volume_restores(draw: st.DrawFn) -> Plan:
    """Of the same claim, seen at another time; its pods run on another node."""
    node = draw(st.sampled_from(["w1", "w2"]))
    there = claim_facts.found(node=node)
    found = claim_facts.facts(there, users=(claim_facts.USER,), observed_at=volume_facts.NOW + draw(minutes))
    return plan_volume_restore(found, VolumeRestoreOptions(switch=True))


@st.composite
def volume_restores_beside(draw: st.DrawFn) -> Plan:
    """Of the same claim, with a check that copies another pod of the same workload."""
    like = draw(st.sampled_from(["web-1", "web-2"]))
    trials = (claim_facts.TRIAL.model_copy(update={"like": like}),)
    found = claim_facts.facts(checks=(volume_facts.CHECK,), trials=trials, observed_at=volume_facts.NOW + draw(minutes))
    return plan_volume_restore(found, VolumeRestoreOptions())


RUNBOOKS = (
    "access_apply",
    *("rolling_upgrade", "node_os_patch", "node_reboot", "node_drain", "node_uncordon", "cert_rotation", "ca_rotation"),
    *("certificate_issue", "etcd_maintenance", "etcd_restore_from_s3", "workload_rollout", "workload_rollback"),
    *("user_access", "user_revoke"),
    *("registry_credentials", "resources_restore", "volumes_backup", "volumes_restore"),
)


def test_every_runbook_that_is_approved_is_looked_at_twice() -> None:
    """Whoever adds one adds the plans that two looks at the same cluster may make."""
    modules = [importlib.import_module(f"flows.{one.name}") for one in pkgutil.iter_modules(flows.__path__)]
    runbooks = {one.name: one for module in modules for one in vars(module).values() if isinstance(one, Flow)}
    approved = {name for name, one in runbooks.items() if "mode" in inspect.signature(one.fn).parameters}
    assert approved <= set(RUNBOOKS), "add it to RUNBOOKS, and its plans below"


@pytest.mark.parametrize(
    ("plans", "told"),
    [
        (accesses(), "the objects of the policy correct them"),
        (upgrades(), "heartbeat"),
        (patches(), "minAvailable 2"),
        (reboots(), "is being rolled out"),
        (drains(), "minAvailable 2"),
        (uncordons(), ""),
        (rotations(), "a request for a serving certificate"),
        (ca_rotations(), "pods were started"),
        (issues(), "nothing that it signs lasts longer"),
        (maintenances(), "of its quota"),
        (restores(), "is at revision"),
        (rollouts(), "is not finished before the change"),
        (rollbacks(), "is not finished now"),
        (grants(), ""),
        (revocations(), "cannot be taken back"),
        (registry_credentials(), "pods keep the Secrets"),
        (objects(), "gets another address"),
        (volume_backups(), ""),
        (volume_restores(), ""),
        (volume_restores_beside(), ""),
    ],
    ids=(*RUNBOOKS, "volumes_restore-beside"),
)
def test_the_same_cluster_looked_at_twice_is_the_same_plan(plans: st.SearchStrategy[Plan], told: str) -> None:
    """Free space, ages, counts, generated names and revisions are other ones; an approval holds."""

    @settings(deadline=None, max_examples=25)
    @given(plans, plans)
    def look_twice(one: Plan, other: Plan) -> None:
        assert one.steps
        assert one.refusals == ()
        assert told in " ".join(caution.problem for caution in one.cautions)
        assert differences(one, other) == []
        assert digest_of(one) == digest_of(other)

    look_twice()


def differences(one: Plan, other: Plan) -> list[str]:
    """Lines that do not hold, for who reads the failure."""
    lines = [
        [str(covered(line)) for line in (*plan.steps, *plan.skips, *plan.cautions) if not line.is_passing]
        for plan in (one, other)
    ]
    return [*set(lines[0]).symmetric_difference(lines[1])]
