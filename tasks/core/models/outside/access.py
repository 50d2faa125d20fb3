"""The API itself: its version, whom it sees in somebody, and requests for certificates."""

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Condition, Metadata


class CertificateRequestSpec(Outside):
    """Who asks for a certificate, and for what."""

    signer_name: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    request: str = ""


class CertificateRequestStatus(Outside):
    """What became of it."""

    conditions: tuple[Condition, ...] = ()
    certificate: str = ""


class CertificateRequest(Outside):
    """certificates.k8s.io/v1 CertificateSigningRequest."""

    metadata: Metadata
    spec: CertificateRequestSpec = CertificateRequestSpec()
    status: CertificateRequestStatus = CertificateRequestStatus()


class Version(Outside):
    """What the API says at /version."""

    git_version: str


class User(Outside):
    """Whom the API sees in somebody."""

    username: str


class ReviewStatus(Outside):
    """Of a review."""

    user_info: User


class Review(Outside):
    """authentication.k8s.io/v1 SelfSubjectReview."""

    status: ReviewStatus
