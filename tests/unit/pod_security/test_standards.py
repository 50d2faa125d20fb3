"""What the Pod Security Standards forbid, field by field; the API server is asked in tests/component/test_pod_security.py."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.models import outside
from tasks.pod_security.models import Level
from tasks.pod_security.policy.fixes import fix_of, left_over
from tasks.pod_security.policy.standards import violations_of
from tests.servers.insecure_pods import Maker

JSON = dict[str, Any]

TIGHT: JSON = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}
"""What a container needs for restricted."""


def pod(
    context: JSON | None = None, *, annotations: JSON | None = None, container: JSON | None = None, **spec: object
) -> JSON:
    """A pod that fits restricted, but for what is given."""
    one = {"name": "web", "securityContext": TIGHT | (context or {}), **(container or {})}
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": [one], **spec}}


def sentences(given: JSON, minor: int = 37) -> list[str]:
    """Everything that restricted forbids in it."""
    found = violations_of(outside.SecuredPod.read(given, "a pod"), Level.RESTRICTED, minor)
    return [f"{one.level}: {one.sentence}" for one in found]


WEB = "spec.containers[web].securityContext"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pod(hostNetwork=True), ["baseline: spec.hostNetwork is true: leave it out"]),
        (pod(hostPID=True), ["baseline: spec.hostPID is true: leave it out"]),
        (pod({"privileged": True}), [f"baseline: {WEB}.privileged is true: set false"]),
        (
            pod({"capabilities": {"add": ["SYS_ADMIN", "CHOWN"], "drop": ["ALL"]}}),
            [f"baseline: {WEB}.capabilities.add is SYS_ADMIN, CHOWN: leave out SYS_ADMIN"],
        ),
        (
            pod({"capabilities": {"add": ["CHOWN"]}}),
            [
                f"restricted: {WEB}.capabilities.drop is not set: drop ALL",
                f"restricted: {WEB}.capabilities.add is CHOWN: leave out CHOWN",
            ],
        ),
        (pod({"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}), []),
        (
            pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
            ["baseline: spec.volumes[v] is hostPath: use another type of volume"],
        ),
        (
            pod(volumes=[{"name": "v", "nfs": {}}, {"name": "e"}, {"name": "c", "csi": {}, "nfs": None}]),
            ["restricted: spec.volumes[v] is nfs: use another type of volume"],
        ),
        (
            pod(container={"ports": [{"hostPort": 80}, {"hostPort": 0}, {}]}),
            ["baseline: spec.containers[web].ports.hostPort is 80: leave it out, and use a Service"],
        ),
        (
            pod({"appArmorProfile": {"type": "Unconfined"}}),
            [f"baseline: {WEB}.appArmorProfile.type is Unconfined: set RuntimeDefault"],
        ),
        (
            pod(
                annotations={"container.apparmor.security.beta.kubernetes.io/web": "unconfined", "other": "unconfined"}
            ),
            [
                "baseline: metadata.annotations[container.apparmor.security.beta.kubernetes.io/web] is unconfined: use runtime/default"
            ],
        ),
        (pod(annotations={"container.apparmor.security.beta.kubernetes.io/web": "localhost/mine"}), []),
        (
            pod({"seLinuxOptions": {"type": "spc_t", "user": "u", "role": "r"}}),
            [
                f"baseline: {WEB}.seLinuxOptions.type is spc_t: use container_t",
                f"baseline: {WEB}.seLinuxOptions.user is u: leave it out",
                f"baseline: {WEB}.seLinuxOptions.role is r: leave it out",
            ],
        ),
        (pod({"procMount": "Unmasked"}), [f"baseline: {WEB}.procMount is Unmasked: set Default"]),
        (pod({"procMount": "Unmasked"}, hostUsers=False), [f"restricted: {WEB}.procMount is Unmasked: set Default"]),
        (
            pod({"seccompProfile": {"type": "Unconfined"}}),
            [f"baseline: {WEB}.seccompProfile.type is Unconfined: set RuntimeDefault"],
        ),
        (
            pod({"seccompProfile": None}),
            [f"restricted: {WEB}.seccompProfile.type is not set: set RuntimeDefault"],
        ),
        (pod({"seccompProfile": None}, securityContext={"seccompProfile": {"type": "RuntimeDefault"}}), []),
        (
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_syncookies"}]}),
            ["baseline: spec.securityContext.sysctls[kernel.msgmax] is kernel.msgmax: leave it out"],
        ),
        (
            pod(securityContext={"windowsOptions": {"hostProcess": True}}),
            ["baseline: spec.securityContext.windowsOptions.hostProcess is true: set false"],
        ),
        (
            pod(
                container={
                    "livenessProbe": {"httpGet": {"host": "h"}},
                    "lifecycle": {"preStop": {"tcpSocket": {"host": "h"}}},
                }
            ),
            [
                "baseline: spec.containers[web].livenessProbe.httpGet.host is h: leave it out",
                "baseline: spec.containers[web].lifecycle.preStop.tcpSocket.host is h: leave it out",
            ],
        ),
        (
            pod({"allowPrivilegeEscalation": None}),
            [f"restricted: {WEB}.allowPrivilegeEscalation is not set: set false"],
        ),
        (pod({"runAsNonRoot": None}), [f"restricted: {WEB}.runAsNonRoot is not set: set true"]),
        (pod({"runAsNonRoot": None}, securityContext={"runAsNonRoot": True}), []),
        (
            pod({"runAsNonRoot": None}, securityContext={"runAsNonRoot": False}),
            ["restricted: spec.securityContext.runAsNonRoot is false: set true"],
        ),
        (pod({"runAsUser": 0}), [f"restricted: {WEB}.runAsUser is 0: set another user, or leave it out"]),
        (pod({"runAsUser": 0, "runAsNonRoot": None}, hostUsers=False), []),
    ],
)
def test_a_setting_that_a_level_forbids_is_named_with_its_field(given: JSON, said: list[str]) -> None:
    """Each with its value, and what the level wants; what two levels forbid is there once."""
    assert sentences(given) == said


def test_rules_are_those_of_the_version() -> None:
    """A kernel parameter, a probe and a user namespace that another minor judges otherwise."""
    later = pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]})
    probe = pod(container={"startupProbe": {"httpGet": {"host": "h"}}})
    own_users = pod({"runAsUser": 0}, hostUsers=False)
    assert [bool(sentences(later, minor)) for minor in (31, 32)] == [True, False]
    assert [bool(sentences(probe, minor)) for minor in (33, 34)] == [False, True]
    assert [bool(sentences(own_users, minor)) for minor in (34, 35)] == [True, False]


def test_what_windows_does_not_have_does_not_count() -> None:
    """It has no capabilities, no seccomp and no escalation."""
    windows = pod(
        {"capabilities": None, "seccompProfile": None, "allowPrivilegeEscalation": None}, os={"name": "windows"}
    )
    assert sentences(windows) == []


def test_a_fix_has_what_can_be_known_and_the_rest_is_left_to_people() -> None:
    """By container; an annotation by its key."""
    bare = {"name": "web"}
    name = "container.apparmor.security.beta.kubernetes.io/web"
    given = {
        "metadata": {"annotations": {name: "unconfined"}},
        "spec": {"hostPID": True, "containers": [bare], "securityContext": {"runAsNonRoot": False}},
    }
    found = violations_of(outside.SecuredPod.read(given, "a pod"), Level.RESTRICTED, 37)
    assert fix_of(found) == {
        "metadata": {"annotations": {name: "runtime/default"}},
        "spec": {
            "securityContext": {"runAsNonRoot": True},
            "containers": [
                {
                    "name": "web",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "seccompProfile": {"type": "RuntimeDefault"},
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    assert [one.path for one in left_over(found)] == ["spec.hostPID"]


def _merged(into: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    """As the API server merges it: maps by key, containers by name."""
    if isinstance(into, dict) and isinstance(patch, dict):
        return into | {key: _merged(into.get(key), value) for key, value in patch.items()}
    if isinstance(into, list) and patch and isinstance(patch[0], dict):
        changes = {one["name"]: one for one in patch}
        return [_merged(one, changes.get(one["name"], {})) for one in into]
    return patch


@given(seed=st.integers(0, 10**6), level=st.sampled_from([Level.BASELINE, Level.RESTRICTED]))
def test_after_the_fix_only_what_is_left_to_people_is_left(seed: int, level: Level) -> None:
    """For pods of every kind of insecurity."""
    given = Maker(seed).pod("p")
    before = violations_of(outside.SecuredPod.read(given, "a pod"), level, 37)
    fixed = outside.SecuredPod.read(_merged(given, fix_of(before)), "a pod")
    assert set(violations_of(fixed, level, 37)) <= set(left_over(before))
