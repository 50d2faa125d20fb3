"""Judges pods by the Pod Security Standards, as the API server's own admission does.

A test compares the judgement with the API server's for thousands of pods.
Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tasks.core.models import outside
from tasks.pod_security.models import Level, Violation
from tasks.pod_security.policy import baseline, restricted
from tasks.pod_security.policy.fields import Judged

Check = Callable[[Judged], Iterable[Violation]]

CHECKS: Mapping[Level, Sequence[Check]] = {
    Level.PRIVILEGED: (),
    Level.BASELINE: (
        baseline.host_namespaces,
        baseline.privileged,
        baseline.capabilities,
        baseline.host_paths,
        baseline.host_ports,
        baseline.app_armor,
        baseline.se_linux,
        baseline.proc_mount,
        baseline.seccomp,
        baseline.sysctls,
        baseline.host_process,
        baseline.hosts_of_probes,
    ),
    Level.RESTRICTED: (
        restricted.volumes,
        restricted.privilege_escalation,
        restricted.non_root,
        restricted.root_user,
        restricted.seccomp,
        restricted.capabilities,
        restricted.proc_mount,
    ),
}
"""Maps each level to the checks that it adds."""


def violations_of(pod: outside.SecuredPod, level: Level, minor: int) -> tuple[Violation, ...]:
    """Returns everything in a pod, or in a template, that a level forbids. It is empty if the pod fits.

    What several levels forbid is there once, with the first of them.

    Args:
        pod: the pod or the template, as the API server has it, with its defaults
        level: the level
        minor: the minor version of the API server, for example 37
    """
    judged = Judged(pod, minor)
    wanted = [one for one in Level if one.rank <= level.rank]
    found = [violation for one in wanted for check in CHECKS[one] for violation in check(judged)]
    return tuple({violation.path: violation for violation in reversed(found)}.values())[::-1]
