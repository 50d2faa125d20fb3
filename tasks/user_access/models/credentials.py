"""Models credentials: what was asked for, what was given, and what the bucket remembers of it. None of it is secret."""

from pydantic import Field

from tasks.access.models.login import Credential
from tasks.core.models.base import Model, UtcTime


class Entry(Model):
    """This is what the bucket remembers of one credential, in `access/USER/ID.json`.

    It is written last. A credential without an entry was never delivered.
    """

    id: str = Field(description="time and run; it names the objects in the bucket")
    user: str
    kind: Credential
    username: str = Field(description="as the API server recognises it")
    groups: tuple[str, ...] = ()
    credential_id: str = Field(description="JTI=... or X509SHA256=..., as the API server and its audit log have it")
    serial: str = Field(default="", description="of the certificate")
    issued_at: UtcTime
    expires_at: UtcTime
    secret: str = Field(default="", description="NAMESPACE/NAME of the Secret to which a token is bound")
    secret_uid: str = ""
    sealed: str = Field(description="key of the encrypted kubeconfig in the bucket")
    recipient: str = Field(description="public key of age for which it is encrypted")
    requested_by: str = ""
    approved_by: str = ""
    run_id: str
    taken_at: UtcTime | None = Field(default=None, description="when a run took the credential back")
    taken_by: str = Field(default="", description="the run that took it back")


class People(Model):
    """This is who asked for a credential and who approved it, as they wrote it, and the run that gives it."""

    requested_by: str = ""
    approved_by: str = ""
    run_id: str


class Held(Model):
    """This is a Secret of ours in the cluster to which a token of a user is bound."""

    namespace: str
    name: str
    uid: str
    run_id: str = Field(default="", description="the run that made it, by its label")

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class Credentials(Model):
    """These are the credentials of ours that a user has, as the cluster and the bucket show them."""

    held: tuple[Held, ...] = ()
    requests: tuple[str, ...] = Field(default=(), description="CertificateSigningRequests that an interrupted run left")
    entries: tuple[Entry, ...] = ()

    @property
    def open(self) -> tuple[Entry, ...]:
        """Returns the credentials that no run has taken back."""
        return tuple(one for one in self.entries if one.taken_at is None)

    @property
    def undelivered(self) -> tuple[Held, ...]:
        """Returns the Secrets whose token was never delivered: the run that made it was interrupted."""
        delivered = {one.secret_uid for one in self.entries}
        return tuple(one for one in self.held if one.uid not in delivered)

    @property
    def previous(self) -> tuple[Held, ...]:
        """Returns the Secrets whose tokens were delivered and are still valid."""
        undelivered = {one.uid for one in self.undelivered}
        return tuple(one for one in self.held if one.uid not in undelivered)


class CellsProof(Model):
    """This is what the API server answered to somebody who logged in with the new credential."""

    username: str
    groups: tuple[str, ...] = ()
    credential_id: str = ""
    without: str = Field(description="what the API server answered before, without the credential")
    through: str = Field(description="the server that was asked")
    allowed: int = Field(default=0, description="cells of the matrix that are allowed as the policy wants")
    denied: int = Field(default=0, description="cells of the matrix that are denied as the policy wants")

    @property
    def in_words(self) -> str:
        """Returns what was proven, for people."""
        return (
            f"logged in at {self.through} as {self.username} with exactly this kubeconfig; "
            f"{self.allowed} allowed and {self.denied} denied, as the policy wants"
        )


class Granted(Model):
    """This is a credential that was proven and delivered."""

    entry: Entry
    place: str = Field(default="", description="address of the encrypted kubeconfig")
    proof: CellsProof | None = Field(description="none if only the user has the key, so nobody else could log in")
    cells: int = Field(default=0, description="cells asked by SubjectAccessReview where nobody could log in")
    earlier: bool = Field(default=False, description="an earlier attempt of the same run proved and delivered it")


class Removed(Model):
    """This is what was removed."""

    removed: tuple[str, ...] = ()
