"""Turns boto's errors into `Refused` and `NotYet`, according to their meaning."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, SSLError
from botocore.exceptions import HTTPClientError as TransportError
from pydantic import ValidationError

from tasks.clients.objectstore.values import AlreadyThere
from tasks.clients.tls import why_not_trusted
from tasks.core.errors import NotTrusted, NotYet, Refused, RunbookError
from tasks.core.models.profile import Store


def place_of(store: Store) -> str:
    """Returns the place for people: the bucket, and the endpoint if it is not AWS."""
    return f"bucket {store.bucket!r}" + (f" at {store.endpoint}" if store.endpoint else "")


@contextmanager
def in_our_words(store: Store, call: str) -> Iterator[None]:
    """Turns boto's errors into `Refused` and `NotYet`, in this one place."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(store, call, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Refused(
            f"{place_of(store)}: the keys of the store were not found: {error}",
            hint="write access_key: file:PATH and secret_key: file:PATH below store: in the profile, where each PATH has one "
            "key; or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where the run starts",
        ) from error
    except SSLError as error:
        if not (reason := why_not_trusted(error)):
            raise NotYet(
                f"{place_of(store)}: {call}: {error}", hint="the handshake broke; the step is tried again"
            ) from error
        raise NotTrusted(
            f"{place_of(store)}: {call}: its certificate: {reason}",
            hint="set store.ca to the CA bundle of the endpoint",
        ) from error
    except (KeyError, ValidationError) as error:
        raise NotYet(
            f"{place_of(store)}: the answer to {call} could not be parsed: {error}",
            hint="check what answers at store.endpoint",
        ) from error
    except (BotoCoreError, TransportError, OSError) as error:
        raise NotYet(f"{place_of(store)}: {call}: {error}", hint="check the store; the step is tried again") from error


def _of_answer(store: Store, call: str, error: ClientError) -> RunbookError:
    code, status = code_of(error), int(error.response["ResponseMetadata"].get("HTTPStatusCode", 0))
    detail: dict[str, object] = dict(error.response.get("Error", {}))
    said = f"{place_of(store)}: {call}: {status} {code}: {detail.get('Message', '')}".rstrip(": ")
    if region := other_region(error, store.region):
        return Refused(
            f"{place_of(store)} is in region {region}, the profile says {store.region}",
            hint=f"set store.region to {region}",
        )
    if code in {"PreconditionFailed", "412"}:
        return AlreadyThere(said, hint="another run wrote this key first")
    if code in SKEWED:
        return Refused(f"{said}; {_clocks(error)}", hint="correct the clock of the worker, or that of the store")
    if hint := _what_to_correct(store, call, code, detail.get("Endpoint")):
        return Refused(said, hint=hint)
    if status < 500 and code not in LATER | BUSY:  # noqa: PLR2004 - HTTP's own number
        return Refused(said, hint="the store refuses this request; it is not tried again")
    why = "the store wants to be asked less often" if code in BUSY else "check the store, its log and its free space"
    return NotYet(said, hint=f"{why}; the step is tried again")


def _what_to_correct(store: Store, call: str, code: str, endpoint: object) -> str:
    """Returns the fix for the store's own error code; empty if the code does not point to the profile."""
    if endpoint and code in ELSEWHERE:
        return f"the bucket is at {endpoint}: correct store.endpoint and store.region"
    if call in WRITES and code in UNKNOWN_SUMS and store.checksums == "when_supported":
        return f"{NEW_SUMS}; if that is it, set store.checksums to when_required"
    return next((hint for codes, hint in REFUSALS if code in codes), "")


def _clocks(error: ClientError) -> str:
    """Returns both clocks as the store reports them.

    If it does not, it returns the date in the answer's header and the worker's time.
    """
    detail: dict[str, object] = dict(error.response.get("Error", {}))
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    theirs = detail.get("ServerTime") or headers.get("date") or "no reason given"
    ours = detail.get("RequestTime") or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"the store's clock: {theirs}; the worker's: {ours}"


def code_of(error: ClientError) -> str:
    """Returns the store's own error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def other_region(error: ClientError, ours: str) -> str | None:
    """Returns the bucket's region if the store reports that it is not `ours`, else None."""
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    return str(region) if region and region != ours else None


MISSING = {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}

SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"}

ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "301", "307"}

WRITES = {"PutObject", "UploadPart", "upload", "CreateMultipartUpload", "CompleteMultipartUpload"}

UNKNOWN_SUMS = {
    *(
        "NotImplemented",
        "501",
        "InvalidArgument",
        "InvalidRequest",
        "XAmzContentSHA256Mismatch",
        "MissingContentLength",
        "411",
    ),
    *("SignatureDoesNotMatch", "UnsupportedHeader", "InvalidDigest", "MalformedTrailerError", "400"),
}
"""Lists the error codes that point to the checksums which boto3 adds.

Such stores do not support these checksums, or the form in which they arrive.
"""

NEW_SUMS = "the store may not know the checksums that S3 has had since 2024 (aws-chunked, x-amz-checksum-crc32)"

BUSY = {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "429", "RequestLimitExceeded", "503"}

LATER = {
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "BadDigest",
}

REFUSALS = (
    ({"NoSuchBucket"}, "create the bucket, or correct store.bucket, store.endpoint or store.addressing"),
    (
        {"SignatureDoesNotMatch"},
        "store.secret_key is not the one of store.access_key; or something between changes the request's host or path",
    ),
    ({"InvalidAccessKeyId"}, "the store does not know store.access_key: correct it, or store.endpoint"),
    (
        {"InvalidToken", "ExpiredToken"},
        "the session of these keys has expired: set new store.access_key and store.secret_key",
    ),
    (
        {"AccessDenied", "403", "Forbidden", "AllAccessDisabled"},
        "allow these keys to list, read, write and delete below store.prefix",
    ),
    (
        {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507", "ServiceQuotaExceeded"},
        "the store is full: free space or raise the quota",
    ),
    ({"KMS.DisabledException", "KMS.NotFoundException", "KMSInvalidStateException"}, "correct store.kms_key"),
    (
        {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"},
        "correct store.region: it is not the bucket's",
    ),
    (ELSEWHERE, "correct store.endpoint, store.region or store.addressing: the bucket is not there"),
    (
        {"SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired"},
        "set store.addressing to virtual: this store wants the bucket in the name of the host",
    ),
    ({"NotImplemented", "501"}, "the store has not what this needs; docs/profile.md has what store.* may be set to"),
    (
        {"InvalidRequest", "MissingContentMD5"},
        "a bucket with Object Lock wants a sum of each object: set store.object_lock, or store.checksums to when_supported",
    ),
    (MISSING, "check the bucket and store.prefix"),
)
