"""Models the API's own answers: its version, the user that it recognises, and certificate signing requests."""

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Condition, Metadata


class CertificateRequestSpec(Outside):
    """This is the spec of a request: who asks for a certificate, and for what."""

    signer_name: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    request: str = ""


class CertificateRequestStatus(Outside):
    """This is the status of a certificate request: its conditions and the certificate."""

    conditions: tuple[Condition, ...] = ()
    certificate: str = ""


class CertificateRequest(Outside):
    """This is a certificates.k8s.io/v1 CertificateSigningRequest."""

    metadata: Metadata
    spec: CertificateRequestSpec = CertificateRequestSpec()
    status: CertificateRequestStatus = CertificateRequestStatus()


class Version(Outside):
    """This is the API's answer at /version."""

    git_version: str


class User(Outside):
    """This is the user as whom the API recognises the caller."""

    username: str
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = Field(default={})


class ReviewStatus(Outside):
    """This is the status of a SelfSubjectReview."""

    user_info: User


class Review(Outside):
    """This is an authentication.k8s.io/v1 SelfSubjectReview."""

    status: ReviewStatus


class Allowed(Outside):
    """This is the status of a SelfSubjectAccessReview: whether the API allows the request."""

    allowed: bool


class AccessReview(Outside):
    """This is an authorization.k8s.io/v1 SelfSubjectAccessReview."""

    status: Allowed


class IssuedToken(Outside):
    """This is the status of a TokenRequest. It is never printed."""

    token: str = Field(repr=False)
    expiration_timestamp: UtcTime


class TokenAnswer(Outside):
    """This is an authentication.k8s.io/v1 TokenRequest with its answer."""

    status: IssuedToken
