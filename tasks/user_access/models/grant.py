"""Models a grant: what is asked for, what is observed, and the plan."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tasks.access.models.login import Credential
from tasks.access.models.rights import Identity
from tasks.access_apply.models import Comparison
from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model
from tasks.user_access.models.credentials import Credentials
from tasks.user_access.models.requests import Asked

UserName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^\S+$")]
Person = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\r\n]*$")]
Pem = Annotated[str, StringConstraints(max_length=16384)]


class GrantOptions(Model):
    """Defines how a credential is given. Every default is the safe one."""

    COVERED: ClassVar[Reasons] = {"requested_by request keep_previous": CHOICE}

    requested_by: Person = Field(
        default="",
        description="who asks for the credential; required for a certificate: another person has to approve it",
    )
    request: Pem = Field(
        default="",
        description="certificate request of the user in PEM (public); empty: the worker makes the key in its memory",
    )
    keep_previous: bool = Field(
        default=False,
        description="keep older tokens of the user until they expire; else they are removed after the proof",
    )


class Login(Model):
    """This is the credential that the policy wants for a user."""

    user: str
    kind: Credential
    identity: Identity = Field(description="as the API server is to recognise the user")
    groups: tuple[str, ...] = Field(default=(), description="groups in the certificate")
    lifetime: timedelta
    recipient: str
    slug: str = Field(description="name of the user for labels and keys")
    owner: str = Field(description="value of our label for the user's objects")
    account: str = Field(default="", description="name of the ServiceAccount; empty for a certificate")


class UserFacts(Credentials):
    """This is what was observed of a user and of the credentials of ours that the user has."""

    user: str
    login: Login | None = Field(description="none if the policy does not name the user")
    problem: str = Field(default="", description="why the policy does not say which credential to give")
    known: tuple[str, ...] = Field(default=(), description="users of the policy")
    asked: Asked | None = Field(default=None, description="what a request that the user gave asks for")
    objects: Comparison = Field(description="the ServiceAccount, the roles and the bindings of the user")
    endpoint: str = Field(default="", description="server of the kubeconfig")
