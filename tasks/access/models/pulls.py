"""Holds what an audit found out about pull Secrets. It has no credential in it."""

from pydantic import Field

from tasks.core.models.base import Model
from tasks.registries.models.secrets import PullFacts


class Denied(Model):
    """This is a Secret whose credential a registry refuses."""

    secret: str = Field(description="NAMESPACE/NAME")
    place: str = Field(description="host and path of the registry")
    image: str
    node: str = Field(description="from which the registry was asked")
    said: str


class PullAudit(Model):
    """This is the state of all pull Secrets."""

    facts: PullFacts = PullFacts()
    denied: tuple[Denied, ...] = ()
    not_checked: tuple[str, ...] = Field(default=(), description="what no registry was asked, and why")
