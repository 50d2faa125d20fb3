"""The pod of its own in which a check looks at claims that were restored beside the old ones."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.volumes_restore.models.checks import TRIAL, Checked, CheckRun, Trial
from tasks.volumes_restore.models.done import KeptVolumes, NewVolumes, Started, VolumeProof
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import names_of, plan_volume_restore
from tasks.volumes_restore.policy.trials import (
    API_ACCESS,
    causes_of,
    of_claims,
    pods_of_templates,
    step_of_trial,
    trials_of,
)
from tasks.volumes_restore.probes.trials import parse_left, parse_trial, why_ended
from tasks.volumes_restore.summary import FILES, NO_CHECK, summarize_volume_restore
from tests.facts.volumes import CHECK
from tests.facts.volumes_restore import BACKUP, FOUND, LEFT, facts, live
from tests.facts.volumes_restore import TRIAL as TRIAL_POD

NAMES = {"shop/data-db-0": "data-new", "shop/logs": "logs-new"}
LIMIT = timedelta(minutes=15)
BESIDE = VolumeRestoreOptions()
RUN = CheckRun(check="sums", pod=TRIAL_POD.id, container="main", claims=("data-new",))


def volume(name: str, **source: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Of a pod."""
    return {"name": name, **source}


def claim(name: str) -> dict[str, Any]:
    """A volume of a pod that is a claim."""
    return volume(name, persistentVolumeClaim={"claimName": name})


def pod(name: str = "db-0", volumes: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Of a database, as the API has it; its container mounts all its volumes."""
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}", "mountPropagation": "None"} for one in volumes]
    container = {"name": "main", "image": "db:1", "volumeMounts": mounts}
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": "p1", "labels": {"app": "db"}},
        "spec": {"containers": [container], "volumes": list(volumes), **spec},
        "status": {"phase": "Running"},
    }


def of(*pods: dict[str, Any]) -> list[tuple[Trial, dict[str, Any]]]:
    """The pods of the check for these."""
    return trials_of(CHECK, pods, NAMES, BACKUP, LIMIT)


def test_the_pod_has_nothing_by_which_it_is_taken_for_one_of_the_workload() -> None:
    """No label, owner, token, port, probe, argument, priority, or request of it; whose it is, and what it may do, are the same."""
    raw = pod(
        volumes=(claim("data-db-0"),),
        serviceAccountName="db",
        securityContext={"fsGroup": 70},
        nodeSelector={"disk": "fast"},
        tolerations=[{"key": "disks"}],
        imagePullSecrets=[{"name": "registry"}],
        affinity={"nodeAffinity": {"x": 1}, "podAntiAffinity": {"y": 1}},
        priorityClassName="high",
        hostNetwork=True,
        nodeName="w1",
        initContainers=[{"name": "chown"}],
    )
    (main,) = raw["spec"]["containers"]
    main |= {
        "command": ["db"],
        "args": ["serve"],
        "env": [{"name": "LEVEL", "value": "high"}],
        "ports": [{"containerPort": 80}],
        "livenessProbe": {},
        "lifecycle": {},
        "securityContext": {"runAsUser": 70},
        "resources": {"requests": {"memory": "64Gi"}, "limits": {"memory": "64Gi", "nvidia.com/gpu": "1"}},
    }
    ((trial, body),) = of(raw)
    assert body["metadata"] == {
        "name": trial.name,
        "labels": {TRIAL: trial.name.rpartition("-")[2]},
        "annotations": {TRIAL: "shop/data-db-0"},
    }
    assert body["spec"] == {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 15 * 60 + 60 + 10 * 60,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": "db",
        "securityContext": {"fsGroup": 70},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "disks"}],
        "imagePullSecrets": [{"name": "registry"}],
        "affinity": {"nodeAffinity": {"x": 1}},
        "containers": [
            {
                "name": "main",
                "command": ["sleep", "86400"],
                "image": "db:1",
                "env": [{"name": "LEVEL", "value": "high"}],
                "securityContext": {"runAsUser": 70},
                "volumeMounts": [{"name": "data-db-0", "mountPath": "/data-db-0"}],
                "volumeDevices": [],
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Gi"}},
            }
        ],
        "volumes": [volume("data-db-0", persistentVolumeClaim={"claimName": "data-new"})],
    }
    assert (trial.image, trial.mounted, trial.left_out, trial.like) == ("db:1", ("data-new",), (), "db-0")


def test_only_restored_claims_and_harmless_volumes_are_mounted() -> None:
    """Never another claim, a folder of the node, or a token. What is missing is named, but for the token that every pod gets."""
    token = {"sources": [{"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "kube-root-ca.crt"}}]}
    volumes = (
        claim("data-db-0"),
        claim("other"),
        volume("settings", configMap={"name": "settings"}),
        volume("password", secret={"secretName": "password"}),
        volume("tmp", emptyDir={}),
        volume("about", downwardAPI={}),
        volume("both", projected={"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}),
        volume("node", hostPath={"path": "/"}),
        volume("inline", csi={"driver": "x"}),
        volume("scratch", ephemeral={}),
        volume(f"{API_ACCESS}x1y2z", projected=token),
        volume("vault", projected=token),
    )
    ((trial, body),) = of(pod(volumes=volumes))
    kept = ["data-db-0", "settings", "password", "tmp", "about", "both"]
    assert [one["name"] for one in body["spec"]["volumes"]] == kept
    assert [one["name"] for one in body["spec"]["containers"][0]["volumeMounts"]] == kept
    assert trial.left_out == ("other", "node", "inline", "scratch", "vault")
    assert ", without other, node, inline, scratch, vault; let it run `sleep 86400`" in step_of_trial(trial).act


def test_a_block_device_is_a_device_of_the_pod_too() -> None:
    """At the same path."""
    raw = pod(volumes=(claim("data-db-0"),))
    device = {"name": "data-db-0", "devicePath": "/dev/db"}
    raw["spec"]["containers"][0] |= {"volumeMounts": None, "volumeDevices": [device]}
    ((trial, body),) = of(raw)
    assert body["spec"]["containers"][0]["volumeDevices"] == [device]
    assert trial.mounted == ("data-new",)


def test_each_set_of_restored_claims_gets_one_pod() -> None:
    """Whichever pod of a workload is found first: the digest is the same. Pods that have ended or use no such claim get none."""
    both = pod("db-1", (claim("data-db-0"), claim("logs")))
    ended = pod("db-2", (claim("logs"),)) | {"status": {"phase": "Succeeded"}}
    found = of(pod("db-9", (claim("data-db-0"),)), both, ended, pod("web"), pod("db-3", (claim("data-db-0"),)))
    assert [(trial.like, trial.claims) for trial, _ in found] == [
        ("db-9", ("shop/data-db-0",)),
        ("db-1", ("shop/data-db-0", "shop/logs")),
    ]
    ((other, _),) = of(pod("db-3", (claim("data-db-0"),)))
    assert (other.name, other.digest) == (found[0][0].name, found[0][0].digest)  # whichever pod it is
    changed = pod("db-9", (claim("data-db-0"),))
    changed["spec"]["containers"][0]["image"] = "db:2"
    assert of(changed)[0][0].digest != other.digest


def test_a_workload_without_pods_is_copied_by_its_template() -> None:
    """One pod for each ordinal of a StatefulSet whose claim is restored. Its digest is that of the pod that it would make."""
    names = {"shop/data-db-0": "new-0", "shop/data-db-2": "new-2", "shop/data-db-x": "other", "shop/logs": "logs-new"}
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "logs", "mountPath": "/logs"}]
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "main", "image": "db:1", "volumeMounts": mounts[:1]}]},
    }
    claims = [{"metadata": {"name": "data"}}]
    db = {"metadata": {"name": "db"}, "spec": {"template": template, "volumeClaimTemplates": claims}}
    logs = {"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}}
    spec = {"containers": [{"name": "main", "image": "db:1", "volumeMounts": mounts[1:]}], "volumes": [logs]}
    reads = {"metadata": {"name": "reader"}, "spec": {"template": template | {"spec": spec}}}
    other = {"metadata": {"name": "web"}, "spec": {"template": template | {"metadata": {"labels": {"app": "web"}}}}}
    found = pods_of_templates(CHECK, (db, reads, other), names)
    assert [one["metadata"]["name"] for one in found] == ["db-0", "db-2", "reader-0"]
    tried = trials_of(CHECK, found, names, BACKUP, LIMIT)
    assert [(trial.claims, trial.mounted, trial.problem) for trial, _ in tried] == [
        (("shop/data-db-0",), ("new-0",), ""),
        (("shop/data-db-2",), ("new-2",), ""),
        (("shop/logs",), ("logs-new",), ""),
    ]
    assert tried[0][1]["spec"]["containers"][0]["volumeMounts"] == mounts[:1]
    wrong = CHECK.model_copy(update={"labels": "app=(db"})
    assert pods_of_templates(wrong, (db,), names) == []


def test_a_pod_that_cannot_be_copied_says_why() -> None:
    """It has no such container, or that one does not mount the claims."""
    raw = pod(volumes=(claim("data-db-0"),))
    raw["spec"]["containers"][0]["name"] = "db"
    ((trial, body),) = of(raw)
    assert (trial.problem, body) == ("there is no container main to copy, there is db", {})
    raw = pod(volumes=(claim("data-db-0"),))
    raw["spec"]["containers"][0]["volumeMounts"] = []
    ((trial, body),) = of(raw)
    assert (trial.problem, body) == ("the container main mounts none of the claims", {})


def test_the_plan_says_which_pod_is_made_and_what_will_not_be_proven() -> None:
    """With a switch, nothing of it. A claim that is there already is checked again; what an interrupted run left is removed."""
    plan = plan_volume_restore(facts(checks=(CHECK,), trials=(TRIAL_POD,)), BESIDE)
    assert [one.subject for one in plan.steps] == ["shop/data-db-0", "check shop/sums"]
    assert plan.steps[1].act == (
        f"make the pod {TRIAL_POD.name} with the image db:1 and data-new mounted as in the container main; "
        "let it run `sleep 86400`, run `sha256sum --check /data/SHA256SUMS` in it, and remove it"
    )
    assert (plan.cautions, plan.unproven, plan.trials) == ((), (), (TRIAL_POD,))
    assert plan.locks == (("shop", "claim/data-db-0"),)

    denied = TRIAL_POD.model_copy(update={"problem": "no"})
    other = CHECK.model_copy(update={"name": "other", "labels": "app=other"})
    plan = plan_volume_restore(facts(checks=(CHECK, other), trials=(denied,)), BESIDE)
    assert [(one.subject, one.problem) for one in plan.cautions] == [
        ("check shop/sums", "the data will NOT be proven: no pod can be made for shop/data-db-0: no"),
        (
            "check shop/other",
            "the data will NOT be proven: no pod or workload in shop with app=other uses one of the old claims, so there is none to copy",
        ),
    ]
    assert (len(plan.steps), len(plan.unproven), plan.trials) == (1, 2, ())
    assert plan.unproven[0] == "the check shop/sums: no pod can be made for shop/data-db-0: no"

    name = names_of(BACKUP, FOUND, BESIDE)
    there = FOUND.model_copy(update={"made": live(mark=name.sign)})
    plan = plan_volume_restore(facts(there, checks=(CHECK,), trials=(TRIAL_POD,), left=(LEFT,)), BESIDE)
    assert [one.subject for one in plan.steps] == ["check shop/sums", f"pod shop/{TRIAL_POD.name}"]
    assert (plan.targets, plan.restored) == ((), (("shop/data-db-0", name.name),))
    assert plan.locks == (("shop", "claim/data-db-0"),)

    plan = plan_volume_restore(facts(checks=(CHECK,)), VolumeRestoreOptions(switch=True))
    assert (plan.unproven, plan.cautions) == ((), ())
    gone = FOUND.model_copy(update={"has_namespace": False})
    plan = plan_volume_restore(facts(gone, trials=(TRIAL_POD,), left=(LEFT,)), BESIDE)
    assert (plan.steps, plan.trials, len(plan.refusals)) == ((), (), 1)


def test_the_report_says_that_only_files_are_proven() -> None:
    """And what is not, and which pod is still there."""
    plan = plan_volume_restore(facts(checks=(CHECK,), trials=(TRIAL_POD,)), BESIDE)
    nothing = (NewVolumes(), KeptVolumes(), Started(), VolumeProof())
    files = Checked(runs=(RUN,), left=("pod shop/x: it still exists",))
    told = summarize_volume_restore(plan, *nothing, files=files)
    assert told[0] == f"1 claim restored from backup {BACKUP}"
    assert told[-2:] == (
        "NOT removed: pod shop/x: it still exists",
        f"files proven: the check sums succeeded on data-new in a pod of its own, {TRIAL_POD.id}: {FILES}",
    )
    assert summarize_volume_restore(plan, *nothing)[-1] == NO_CHECK
    again = plan.model_copy(update={"snapshots": (), "unproven": ("the check shop/sums: no",)})
    told = summarize_volume_restore(again, *nothing)
    assert told[0].startswith(f"no claim was left to restore from backup {BACKUP}: ")
    assert told[-1] == "data NOT proven: the check shop/sums: no"


def test_a_pod_that_was_left_belongs_to_who_has_the_lock_of_one_of_its_claims() -> None:
    """Its annotation names them; only those of this run count. A pod without the annotation is nobody's."""
    raw = pod()
    raw["metadata"] |= {"annotations": {TRIAL: "shop/data-db-0,shop/logs"}, "finalizers": ["x/hold"]}
    left = parse_left(raw)
    assert (left.id, left.uid, left.claims, left.finalizers) == (
        "shop/db-0",
        "p1",
        ("shop/data-db-0", "shop/logs"),
        ("x/hold",),
    )
    assert parse_left(pod()).claims == ()
    (mine,) = of_claims((left, parse_left(pod())), {"shop/logs", "shop/other"})
    assert mine.claims == ("shop/logs",)


def status(phase: str, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A pod with this status."""
    return pod() | {"status": {"phase": phase, "containerStatuses": list(containers), **more}}


ENDED = {"exitCode": 128, "reason": "StartError", "message": 'exec: "sleep": not found'}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (status("Running"), ""),
        (status("Succeeded"), "Succeeded"),
        (
            status("Failed", {"name": "main", "state": {"terminated": ENDED}}, {"name": "x", "state": {"running": {}}}),
            'StartError with exit code 128: exec: "sleep": not found',
        ),
        (status("Failed", {"name": "main", "state": {"terminated": {"exitCode": 1}}}), "it ended with exit code 1"),
        (status("Failed", reason="DeadlineExceeded", message="too long"), "DeadlineExceeded: too long"),
    ],
    ids=["runs", "succeeded", "no-program", "no-reason", "deadline"],
)
def test_a_pod_that_should_wait_and_ended_says_why(raw: dict[str, Any], why: str) -> None:
    """In the words of the container runtime, or of the kubelet."""
    assert why_ended(parse_trial(raw, ())) == why


def test_a_pod_that_will_not_start_by_itself_is_waited_for_no_longer() -> None:
    """One that may is."""
    waits = {"reason": "ErrImageNeverPull", "message": "not there"}
    raw = status("Pending", {"name": "main", "state": {"waiting": waits}})
    told, is_final = causes_of(parse_trial(raw, ()), lambda _: timedelta())
    assert (is_final, "ErrImageNeverPull: image db:1: not there" in told) == (True, True)
    pending = [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]
    no_room = parse_trial(status("Pending", conditions=pending), ())
    assert causes_of(no_room, lambda _: timedelta())[1] is False
    assert causes_of(no_room, lambda _: timedelta(minutes=1))[1] is True
    assert causes_of(parse_trial(status("Pending"), ()), lambda _: timedelta(minutes=1)) == ("", False)
