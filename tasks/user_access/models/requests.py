"""Models a certificate request as the API has it, and what it must be."""

from pydantic import Field

from tasks.core.models.base import Model

SIGNER = "kubernetes.io/kube-apiserver-client"
CLIENT_AUTH = "client auth"


class Asked(Model):
    """This is what a certificate request in PEM asks for."""

    problem: str = Field(default="", description="why the request could not be parsed")
    common_names: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    other: tuple[str, ...] = Field(default=(), description="attributes of the subject other than CN and O")
    extensions: tuple[str, ...] = Field(
        default=(), description="extensions that it asks for, for example names of hosts"
    )
    key: str = Field(default="", description="type and size of the key, for example EC secp256r1")
    public_key: str = Field(default="", description="sha256 of the public key")
    is_signed: bool = Field(default=False, description="it is signed with its own key")


class SignRequest(Model):
    """This is a CertificateSigningRequest, as the API server has stored it."""

    name: str
    labels: dict[str, str] = Field(default={})
    signer: str = ""
    usages: tuple[str, ...] = ()
    seconds: int | None = Field(default=None, description="expirationSeconds; none if it is not set")
    asked: Asked


class Expected(Model):
    """This is what a certificate request has to be."""

    user: str
    groups: tuple[str, ...] = ()
    seconds: int
    public_key: str = Field(default="", description="sha256 of the public key that the run sent")
    labels: dict[str, str] = Field(default={})


class Certificate(Model):
    """This is what a certificate that the cluster signed contains."""

    common_names: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    public_key: str = ""
    serial: str = ""
    fingerprint: str = ""
    seconds: float = Field(description="from now until it expires")
    signer: str = Field(
        default="", description="fingerprint of the CA that signed it; empty if none of the cluster's did"
    )
    usages: tuple[str, ...] = ()
