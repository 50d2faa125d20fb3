"""Holds what the rotation of a registry's credentials wants, sees and does. No model has a credential in it."""

from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.registries.models.secrets import PullFacts
from tasks.registries.models.verdict import Verdict

NEW, NOBODY, OLD = "new", "nobody", "old"
"""Says as whom a registry was asked: with the new credential, without any, or with an older one."""


class CredentialOptions(Model):
    """These are the options of a rotation of registry credentials."""

    COVERED: ClassVar[Reasons] = {"allow_unasked": CHOICE}

    allow_unasked: bool = Field(
        default=False, description="act although nodes could not be asked, for example because they are off"
    )


class Wanted(Model):
    """This is what the access policy wants for one credential, and where that is in the cluster now."""

    entry: str = Field(description="name of the credential in the access policy")
    registry: str
    fingerprint: str = Field(description="hash of the credential")
    namespaces: tuple[str, ...]
    absent: tuple[str, ...] = Field(default=(), description="namespaces and patterns of the policy that match nothing")
    accounts: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def secret(self) -> str:
        """Returns the name of its Secrets: another credential has another name."""
        return f"{self.entry}-{self.fingerprint}"


class Asked(Model):
    """This is what a registry answered about an image, asked from a node."""

    entry: str
    image: str
    node: str
    who: str = Field(description="new, nobody or old: with which credential")
    fingerprint: str = Field(default="", description="hash of an old credential")
    secrets: tuple[str, ...] = Field(default=(), description="where an old credential is")
    verdict: Verdict = Verdict.UNKNOWN
    said: str = ""
    uncertain: tuple[str, ...] = Field(default=(), description="why the kubelet may get another answer")

    @property
    def is_proven(self) -> bool:
        """Checks whether the registry gives the image. The platform of an image is not what is asked about."""
        return self.verdict in {Verdict.THERE, Verdict.OTHER_PLATFORM}


class CredentialFacts(Model):
    """This is everything that the rotation knows before it acts."""

    observed_at: UtcTime
    registry: str
    wanted: tuple[Wanted, ...]
    found: PullFacts
    asked: tuple[Asked, ...]
    unasked: tuple[str, ...] = Field(default=(), description="nodes that nobody can ask, and why")


class Created(Model):
    """This is which Secrets were created, as NAMESPACE/NAME."""

    created: tuple[str, ...] = ()
    present: tuple[str, ...] = ()


class Proven(Model):
    """This is from where the registry gave its images with the new Secrets."""

    asked: tuple[Asked, ...] = ()
    unasked: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Returns the nodes from which a pull is proven."""
        return tuple(sorted({one.node for one in self.asked if one.who == NEW and one.is_proven}))


class Switched(Model):
    """This is which ServiceAccounts were changed."""

    switched: tuple[str, ...] = Field(default=(), description="NAMESPACE/NAME: old list -> new list")


class Removed(Model):
    """This is which old Secrets of ours are gone, and why others stay."""

    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = Field(default=(), description="each with who names it")


class Left(Model):
    """This is what the look after the work found: what is still to be done, and what the registry says to old credentials."""

    left: tuple[str, ...] = Field(default=(), description="what a new run would do")
    old: tuple[Asked, ...] = Field(default=(), description="what the registry says to each old credential")
