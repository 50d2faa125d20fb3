"""Models a revocation: what of a user is found, and what is left when it is done."""

from pydantic import Field

from tasks.access.models.declared import Kind
from tasks.core.models.base import Model, UtcTime
from tasks.user_access.models.credentials import Credentials


class Owned(Model):
    """This is an object of ours that belongs to a user."""

    kind: Kind
    namespace: str = ""
    name: str
    uid: str

    @property
    def label(self) -> str:
        """Returns `RoleBinding shop/kube-runbooks:user:ada`."""
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"

    @property
    def path(self) -> str:
        """Returns the path of the object in the API."""
        within = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{self.kind.root}{within}/{self.kind.plural}/{self.name}"


class RevokeFacts(Credentials):
    """This is what was observed of a user whose access is to be taken back."""

    user: str
    account: str = Field(description="name of the user's ServiceAccount, whether it exists or not")
    in_policy: bool = False
    known: tuple[str, ...] = Field(default=(), description="users of the policy")
    owned: tuple[Owned, ...] = ()
    others: tuple[str, ...] = Field(default=(), description="bindings of others that name the user")

    @property
    def has_account(self) -> bool:
        """Checks whether the user's ServiceAccount exists."""
        return any(one.kind is Kind.ACCOUNT for one in self.owned)

    @property
    def has_anything(self) -> bool:
        """Checks whether anything of the user is in the cluster, or a credential was ever given."""
        return bool(self.owned or self.held or self.requests or self.entries)


class ValidCertificate(Model):
    """This is a certificate that stays valid, and what it can still do."""

    serial: str
    credential_id: str
    expires_at: UtcTime
    groups: tuple[str, ...] = ()
    bindings: tuple[str, ...] = Field(default=(), description="bindings that give it something, with their roles")
    dangers: tuple[str, ...] = Field(default=(), description="dangerous rights among them")
    is_master: bool = Field(default=False, description="it is in system:masters: no rule limits it")

    @property
    def in_words(self) -> str:
        """Returns until when it is valid, and what it can do, for people."""
        until = f"certificate {self.serial} stays valid until {self.expires_at:%Y-%m-%d %H:%M} UTC"
        if self.is_master:
            return f"{until}, AND IT CAN DO EVERYTHING: it is in system:masters, which no rule limits"
        if not self.bindings:
            return f"{until}; it can only do what everybody can who has logged in"
        more = f"; among it: {'; '.join(self.dangers)}" if self.dangers else ""
        return f"{until}, and still has {', '.join(self.bindings)}{more}"


class Revoked(Model):
    """This is what a revocation removed, what was proven, and what is left."""

    user: str
    removed: tuple[str, ...] = ()
    logins: int = Field(default=0, description="real logins that worked before, and are answered by 401 now")
    not_tried: str = Field(default="", description="why no login was tried")
    taken: tuple[str, ...] = Field(default=(), description="ids of the credentials that are worth nothing now")
    certificates: tuple[ValidCertificate, ...] = ()
    foreign: tuple[str, ...] = Field(default=(), description="bindings of others that still name the user")

    @property
    def left(self) -> tuple[str, ...]:
        """Returns what the user can still use, in words."""
        dangerous = (one for one in self.certificates if one.bindings or one.is_master)
        return (*(one.in_words for one in dangerous), *(f"{one} names the user" for one in self.foreign))
