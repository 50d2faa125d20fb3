"""Models the checks of the profile: commands in containers that say whether restored data is whole."""

from pydantic import Field

from tasks.core.models.base import Model


class CheckRun(Model):
    """This is how a check ended in one container."""

    check: str
    pod: str = Field(description="NAMESPACE/NAME")
    container: str
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
