"""Models the pull Secrets that a site declares: for which registry, where, and with which image a pull is proven."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.core.models.base import Model
from tasks.core.models.images import DEFAULT, Reference
from tasks.core.models.profile import Name, SecretRef

_REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9._-]+)*")
_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACES = re.compile(r"[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?")


def _is_a_registry(text: str) -> str:
    if not _REGISTRY.fullmatch(text):
        message = "write HOST, HOST:PORT or HOST/PATH, without https://, for example registry.example:5000"
        raise ValueError(message)
    return DEFAULT if text in {"index.docker.io", "registry-1.docker.io"} else text


def _is_an_account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        message = "write the name of a ServiceAccount, without its namespace"
        raise ValueError(message)
    return text


def _names_namespaces(text: str) -> str:
    if not _NAMESPACES.fullmatch(text):
        message = "write the name of a namespace, or a pattern such as team-*"
        raise ValueError(message)
    return text


def _is_one_line(text: str) -> str:
    if not text or ":" in text or any(ord(one) < ord(" ") for one in text):
        message = "write a user name of one line, without a colon"
        raise ValueError(message)
    return text


RegistryName = Annotated[str, AfterValidator(_is_a_registry)]
"""This names a registry, or a folder of one: `registry.example:5000`, `ghcr.io/acme`, `docker.io`."""


class PullSecret(Model):
    """This is the credential of a registry, and the namespaces that pull with it."""

    name: Name = Field(description="the Secrets are named after it: NAME and a hash of the credential")
    registry: RegistryName = Field(description="HOST[:PORT][/PATH], for example registry.example:5000")
    namespaces: tuple[Annotated[str, AfterValidator(_names_namespaces)], ...] = Field(
        min_length=1, description="names of namespaces, or patterns such as team-*"
    )
    service_accounts: tuple[Annotated[str, AfterValidator(_is_an_account)], ...] = Field(
        default=("default",),
        description="ServiceAccounts of each namespace whose new pods get the Secret; may be empty",
    )
    images: tuple[str, ...] = Field(
        min_length=1, description="images of the registry with which a pull is proven, for example ghcr.io/acme/web:1"
    )
    username: Annotated[str, AfterValidator(_is_one_line)] = Field(description="user name at the registry")
    password: SecretRef = Field(description="where the password or token is: file:PATH, env:NAME or prefect:BLOCK")
    previous_password: SecretRef | None = Field(
        default=None, description="where the previous password is, to see whether the registry refuses it now"
    )

    @model_validator(mode="after")
    def _has_images_of_its_registry(self) -> Self:
        for image in self.images:
            if not f"{Reference.of(image).name}/".startswith(f"{self.registry}/"):
                message = f"images: {image} is not of {self.registry}"
                raise ValueError(message)
        return self
