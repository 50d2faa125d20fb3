"""Says what the level baseline forbids: settings by which a pod gets at its node."""

from collections.abc import Iterator

from tasks.core.models import outside
from tasks.pod_security.models import Violation
from tasks.pod_security.policy.fields import Judged, Place, violation

CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
SE_LINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
PROFILES = frozenset({"RuntimeDefault", "Localhost"})
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"

SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
    "net.ipv4.tcp_slow_start_after_idle": 37,
    "net.ipv4.tcp_notsent_lowat": 37,
}
"""Maps each kernel parameter that a pod may set to the first minor version that allows it."""

HOSTS_OF_PROBES = 34
"""Is the first minor version that forbids probes of other hosts."""


def host_namespaces(judged: Judged) -> Iterator[Violation]:
    """Yields namespaces of the node that the pod shares."""
    spec = judged.spec
    for name, shares in (("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)):
        if shares:
            yield violation("host namespaces", f"spec.{name}", shares, "leave it out")


def privileged(judged: Judged) -> Iterator[Violation]:
    """Yields containers that have all rights of the node."""
    for place in judged.containers:
        if place.context.privileged:
            yield violation("privileged", place.field("privileged"), "true", "set false", "false")


def capabilities(judged: Judged) -> Iterator[Violation]:
    """Yields capabilities beyond those of the runtime's default."""
    for place in judged.containers:
        added = place.context.capabilities.add if place.context.capabilities else ()
        if more := [one for one in added if one not in CAPABILITIES]:
            yield violation(
                "non-default capabilities",
                place.field("capabilities.add"),
                ", ".join(added),
                f"leave out {', '.join(more)}",
            )


def host_paths(judged: Judged) -> Iterator[Violation]:
    """Yields volumes that are folders of the node."""
    for one in judged.spec.volumes:
        if one.get("hostPath") is not None:
            yield violation("hostPath volumes", _volume(one), "hostPath", "use another type of volume")


def host_ports(judged: Judged) -> Iterator[Violation]:
    """Yields ports of the node that a container takes."""
    for place in judged.containers:
        ports = [one.host_port for one in place.container.ports if one.host_port] if place.container else []
        if ports:
            told = ", ".join(map(str, ports))
            yield violation("hostPort", f"{place.path}.ports.hostPort", told, "leave it out, and use a Service")


def app_armor(judged: Judged) -> Iterator[Violation]:
    """Yields pods and containers that AppArmor does not confine."""
    for place in judged.places:
        profile = place.context.app_armor_profile
        if profile and profile.type not in PROFILES:
            yield _profile("forbidden AppArmor profile", place.field("appArmorProfile.type"), profile.type)
    for name, value in sorted(judged.pod.metadata.annotations.items()):
        if name.startswith(APP_ARMOR) and not (value in {"", "runtime/default"} or value.startswith("localhost/")):
            path = f"metadata.annotations[{name}]"
            yield violation("forbidden AppArmor profile", path, value, "use runtime/default", '"runtime/default"')


def se_linux(judged: Judged) -> Iterator[Violation]:
    """Yields SELinux contexts that are more than a container's."""
    for place in judged.places:
        options = place.context.se_linux_options or outside.SeLinux()
        if options.type not in SE_LINUX_TYPES:
            yield violation("seLinuxOptions", place.field("seLinuxOptions.type"), options.type, "use container_t")
        for name, value in (("user", options.user), ("role", options.role)):
            if value:
                yield violation("seLinuxOptions", place.field(f"seLinuxOptions.{name}"), value, "leave it out")


def proc_mount(judged: Judged) -> Iterator[Violation]:
    """Yields containers that see all of /proc."""
    if judged.has_own_users:
        return
    for place in judged.containers:
        if place.context.proc_mount not in {"", "Default"}:
            yield violation("procMount", place.field("procMount"), place.context.proc_mount, "set Default", '"Default"')


def seccomp(judged: Judged) -> Iterator[Violation]:
    """Yields pods and containers whose system calls nobody filters, by their own choice."""
    for place in judged.places:
        profile = place.context.seccomp_profile
        if profile and profile.type not in PROFILES:
            yield _profile("seccompProfile", place.field("seccompProfile.type"), profile.type)


def sysctls(judged: Judged) -> Iterator[Violation]:
    """Yields kernel parameters that reach beyond the pod."""
    for one in judged.spec.security_context.sysctls:
        if SYSCTLS.get(one.name, judged.minor + 1) > judged.minor:
            yield violation("forbidden sysctls", f"spec.securityContext.sysctls[{one.name}]", one.name, "leave it out")


def host_process(judged: Judged) -> Iterator[Violation]:
    """Yields Windows containers that run as processes of the node."""
    for place in judged.places:
        if place.context.windows_options.host_process:
            yield violation("hostProcess", place.field("windowsOptions.hostProcess"), "true", "set false", "false")


def hosts_of_probes(judged: Judged) -> Iterator[Violation]:
    """Yields probes and hooks by which the kubelet is made to call another host."""
    if judged.minor < HOSTS_OF_PROBES:
        return
    for place in judged.containers:
        for path, host in _hosts(place):
            if host:
                yield violation("probe or lifecycle host", f"{place.path}.{path}.host", host, "leave it out")


def _hosts(place: Place) -> Iterator[tuple[str, str]]:
    one = place.container or outside.SecuredContainer()
    handlers = {
        "livenessProbe": one.liveness_probe,
        "readinessProbe": one.readiness_probe,
        "startupProbe": one.startup_probe,
        "lifecycle.postStart": one.lifecycle.post_start,
        "lifecycle.preStop": one.lifecycle.pre_stop,
    }
    for path, handler in handlers.items():
        yield f"{path}.httpGet", handler.http_get.host
        yield f"{path}.tcpSocket", handler.tcp_socket.host


def _volume(one: dict[str, object]) -> str:
    return f"spec.volumes[{one.get('name', '')}]"


def _profile(check: str, path: str, seen: str) -> Violation:
    return violation(check, path, seen, "set RuntimeDefault", '"RuntimeDefault"')
