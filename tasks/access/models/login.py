"""Models how kube-runbooks lets a user log in, and under which name the API then knows the user."""

import hashlib
import re
from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from tasks.access.models.rights import Subject
from tasks.core.models.base import Duration, Model
from tasks.core.models.recipients import AgeRecipient

ACCESS_NAMESPACE = "kube-runbooks-access"
"""Has the ServiceAccounts of users who log in with a token."""

SHORTEST = timedelta(minutes=10)
"""The API issues no shorter token, and no shorter certificate."""

DEFAULT_LIFETIME = timedelta(days=30)

LONGEST_TOKEN = timedelta(days=90)
"""Limits tokens. The API server has no limit of its own: it would issue a token for years."""

LONGEST_CERTIFICATE = timedelta(days=30)
"""Limits certificates: nobody can take one back before it expires."""

RESERVED = ("system:", "kubeadm:")
"""Names that begin so belong to Kubernetes and kubeadm. The controller manager would sign certificates for them."""

_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LONGEST_PLAIN = 40


class Credential(StrEnum):
    """This is what a user logs in with."""

    TOKEN = "token"  # noqa: S105 - the kind of credential
    """A token of a ServiceAccount of the user's own. It stops working within seconds after it is taken back."""
    CERTIFICATE = "certificate"
    """A client certificate. It works until it expires."""


class UserAccess(Model):
    """This is the credential that kube-runbooks gives to a user."""

    credential: Credential = Field(
        default=Credential.TOKEN,
        description="token: can be taken back within seconds; certificate: works until it expires, with groups",
    )
    lifetime: Duration = Field(
        default=DEFAULT_LIFETIME,
        ge=SHORTEST,
        le=LONGEST_TOKEN,
        description="how long it works, for example 30d; at most 90d for a token and 30d for a certificate",
    )
    recipient: AgeRecipient = Field(description="public key of the user; the credential is encrypted for it")

    @model_validator(mode="after")
    def _can_be_taken_back_soon(self) -> Self:
        if self.credential is Credential.CERTIFICATE and self.lifetime > LONGEST_CERTIFICATE:
            message = f"lifetime: at most {LONGEST_CERTIFICATE.days}d for a certificate: nobody can take it back"
            raise ValueError(message)
        return self


def safe_name(text: str) -> str:
    """Returns the text as a part of the names of objects and as a value of a label.

    A text that is no such name, or is too long, gets a hash in place of what is lost.
    """
    if len(text) <= _LONGEST_PLAIN and _PLAIN.fullmatch(text):
        return text
    words = re.sub(r"[^a-z0-9]+", "-", text.lower())[: _LONGEST_PLAIN - 11].strip("-") or "x"
    return f"{words}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def account_for(user: str) -> Subject:
    """Returns the ServiceAccount as which a user with a token logs in."""
    return Subject(kind="ServiceAccount", name=safe_name(user), namespace=ACCESS_NAMESPACE)


def owner_of(kind: str, name: str) -> str:
    """Returns the value of the label that objects of a subject have: `user.ada`, or `account.shop.ci`."""
    return f"{kind}.{safe_name(name.replace('/', '.') if kind == 'account' else name)}"
