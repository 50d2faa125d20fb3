"""Holds the credentials for images."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credential:
    """Is a user and a password, and the Secret that has them. It is no model, so that it is never part of a result."""

    secret: str
    user: str
    password: str = field(repr=False)
