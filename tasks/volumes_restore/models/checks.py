"""Models the checks of the profile: commands in containers that say whether restored data is whole."""

from pydantic import Field

from tasks.core.models.base import Model
from tasks.core.models.profile import VolumeCheck

TRIAL = "kube-runbooks.io/volumes-check"
"""Names the only label of a pod that a restore makes for a check, and the annotation with its claims, as NAMESPACE/NAME in the backup."""


class Trial(Model):
    """This is a pod of its own for one check. It mounts claims that were restored beside the old ones, which no other pod uses."""

    check: VolumeCheck
    name: str = Field(description="of the pod")
    like: str = Field(description="pod whose container it copies")
    image: str = ""
    claims: tuple[str, ...] = Field(description="claims in the backup, as NAMESPACE/NAME")
    mounted: tuple[str, ...] = Field(default=(), description="names of the restored claims that it mounts")
    left_out: tuple[str, ...] = Field(default=(), description="volumes of the container that it does not mount")
    digest: str = Field(default="", description="sha256 of the pod, which may hold values that nobody should read")
    problem: str = Field(default="", description="why there can be no such pod; empty if it can be tried")

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME of the pod."""
        return f"{self.check.namespace}/{self.name}"


class LeftPod(Model):
    """This is a pod that a restore made for a check."""

    namespace: str
    name: str
    uid: str
    claims: tuple[str, ...] = Field(description="claims in the backup, as NAMESPACE/NAME")
    finalizers: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class CheckRun(Model):
    """This is how a check ended in one container."""

    check: str
    pod: str = Field(description="NAMESPACE/NAME")
    container: str
    claims: tuple[str, ...] = Field(default=(), description="restored claims that a pod of its own mounted")
    problem: str = Field(default="", description="why it does not prove the data; empty if it succeeded")

    @property
    def name(self) -> str:
        """Returns the check with its container, for people."""
        return f"the check {self.check} in {self.pod} {self.container}"


class Checked(Model):
    """These are the checks that were run, and those that fit no pod."""

    runs: tuple[CheckRun, ...] = ()
    unused: tuple[str, ...] = Field(
        default=(), description="checks of the claims' namespaces that fit no pod with one of the claims"
    )
    left: tuple[str, ...] = Field(default=(), description="pods of checks that could not be removed, and why")
