"""Holds what the pull Secrets of a cluster contain, and who names them. It has no credential in it, only hashes."""

from pydantic import Field

from tasks.core.models.base import Model

LABEL = "kube-runbooks.io/pull-secret"
"""Marks a Secret as ours. Its value is the name in the access policy."""


class Entry(Model):
    """This is what a Secret has for one registry."""

    place: str = Field(description="host and path of the registry, as the kubelet compares it")
    fingerprint: str = Field(default="", description="hash of user and password; empty if there are none")
    problem: str = Field(default="", description="why the kubelet cannot use it, or why people would be misled")

    @property
    def host(self) -> str:
        """Returns the host, with its port."""
        return self.place.partition("/")[0]


class FoundSecret(Model):
    """This is a Secret of registries."""

    namespace: str
    name: str
    uid: str
    ours: str = Field(default="", description="its name in the access policy; empty for a Secret of others")
    owner: str = Field(default="", description="who owns it, if that is a program")
    owner_way: str = Field(default="", description="how this owner wants it to be changed")
    entries: tuple[Entry, ...] = ()
    problem: str = Field(default="", description="why it has no entry that can be used")

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class Account(Model):
    """This is a ServiceAccount, and the Secrets that its new pods get."""

    namespace: str
    name: str
    secrets: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class Namer(Model):
    """This is a pod, or an object that makes pods, and the Secrets that it names itself."""

    kind: str
    namespace: str
    name: str
    pulls: tuple[str, ...] = Field(default=(), description="Secrets with which it pulls")
    uses: tuple[str, ...] = Field(default=(), description="all Secrets that it names, also in volumes and variables")
    images: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Returns `shop/deployment/web`."""
        return f"{self.namespace}/{self.kind.lower()}/{self.name}"


class PullFacts(Model):
    """This is everything about the pull Secrets of a cluster."""

    namespaces: tuple[str, ...] = Field(default=(), description="those that are not about to be deleted")
    secrets: tuple[FoundSecret, ...] = ()
    accounts: tuple[Account, ...] = ()
    namers: tuple[Namer, ...] = ()
    missing: tuple[str, ...] = Field(
        default=(), description="NAMESPACE/NAME of Secrets that are named and do not exist"
    )

    others: tuple[str, ...] = Field(default=(), description="NAMESPACE/NAME of named Secrets that are of another type")

    def names(self, secret: FoundSecret) -> tuple[str, ...]:
        """Returns who names a Secret: ServiceAccounts, then pods and what makes pods."""
        accounts = [
            f"{one.namespace}/serviceaccount/{one.name}"
            for one in self.accounts
            if one.namespace == secret.namespace and secret.name in one.secrets
        ]
        others = [one.label for one in self.namers if one.namespace == secret.namespace and secret.name in one.uses]
        return (*accounts, *others)
