"""Models the security settings of pods and of pod templates: the fields that the Pod Security Standards judge."""

from typing import Any

from pydantic import Field

from tasks.core.models.outside.answers import Outside


class Capabilities(Outside):
    """These are Linux capabilities that a container gains and loses."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class Typed(Outside):
    """This is a seccomp or AppArmor profile."""

    type: str = ""


class SeLinux(Outside):
    """This is the SELinux context of a container."""

    type: str = ""
    user: str = ""
    role: str = ""


class WindowsOptions(Outside):
    """These are the Windows options of a container."""

    host_process: bool | None = None


class Sysctl(Outside):
    """This is a kernel parameter that a pod sets."""

    name: str = ""


class SecurityContext(Outside):
    """This is the security context of a pod or of a container; None says that a field is not set."""

    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    proc_mount: str = ""
    capabilities: Capabilities | None = None
    seccomp_profile: Typed | None = None
    app_armor_profile: Typed | None = None
    se_linux_options: SeLinux | None = None
    windows_options: WindowsOptions = WindowsOptions()
    sysctls: tuple[Sysctl, ...] = ()


class WithHost(Outside):
    """This is a request to a host, or a connection to it."""

    host: str = ""


class Handler(Outside):
    """This is what a probe or a lifecycle hook does."""

    http_get: WithHost = WithHost()
    tcp_socket: WithHost = WithHost()


class Lifecycle(Outside):
    """These are the lifecycle hooks of a container."""

    post_start: Handler = Handler()
    pre_stop: Handler = Handler()


class SecuredPort(Outside):
    """This is a port of a container."""

    host_port: int = 0


class SecuredContainer(Outside):
    """This is a container of a pod, with its security settings."""

    name: str = ""
    image: str = ""
    ports: tuple[SecuredPort, ...] = ()
    security_context: SecurityContext = SecurityContext()
    liveness_probe: Handler = Handler()
    readiness_probe: Handler = Handler()
    startup_probe: Handler = Handler()
    lifecycle: Lifecycle = Lifecycle()


class PodSystem(Outside):
    """This is the operating system that a pod names."""

    name: str = ""


class SecuredPodSpec(Outside):
    """This is the spec of a pod, with its security settings. A volume has a name and the field of its type."""

    os: PodSystem = PodSystem()
    host_network: bool = False
    host_pid: bool = Field(default=False, alias="hostPID")
    host_ipc: bool = Field(default=False, alias="hostIPC")
    host_users: bool = True
    security_context: SecurityContext = SecurityContext()
    volumes: tuple[dict[str, Any], ...] = ()
    init_containers: tuple[SecuredContainer, ...] = ()
    containers: tuple[SecuredContainer, ...] = ()
    ephemeral_containers: tuple[SecuredContainer, ...] = ()


class SecuredMetadata(Outside):
    """This is the metadata of a pod or of a template."""

    annotations: dict[str, str] = Field(default={})


class SecuredPod(Outside):
    """This is a pod, or the template of one, with its security settings."""

    metadata: SecuredMetadata = SecuredMetadata()
    spec: SecuredPodSpec = SecuredPodSpec()
