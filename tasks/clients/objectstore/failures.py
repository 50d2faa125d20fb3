"""What a store's errors mean: boto's, in our two words."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, SSLError
from botocore.exceptions import HTTPClientError as TransportError
from pydantic import ValidationError

from tasks.clients.objectstore.values import AlreadyThere
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.profile import Store


def place_of(store: Store) -> str:
    """Where it is, for people: bucket, and endpoint if it is not AWS."""
    return f"bucket {store.bucket!r}" + (f" at {store.endpoint}" if store.endpoint else "")


@contextmanager
def in_our_words(store: Store, call: str) -> Iterator[None]:
    """Turns boto's errors into our two words, once and here."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(store, call, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Refused(
            f"{place_of(store)}: {error}", hint="set store.access_key and store.secret_key, or boto3's own chain"
        ) from error
    except SSLError as error:
        raise Refused(
            f"{place_of(store)}: {call}: {error}", hint="set store.ca to the CA bundle of the endpoint"
        ) from error
    except (KeyError, ValidationError) as error:
        raise NotYet(
            f"{place_of(store)}: the answer to {call} is not understood: {error}",
            hint="check what answers at store.endpoint",
        ) from error
    except (BotoCoreError, TransportError, OSError) as error:
        raise NotYet(
            f"{place_of(store)}: {call}: {error}", hint="look at the store; the step is tried again"
        ) from error


def _of_answer(store: Store, call: str, error: ClientError) -> RunbookError:
    code, status = code_of(error), int(error.response["ResponseMetadata"].get("HTTPStatusCode", 0))
    said = f"{place_of(store)}: {call}: {status} {code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(
        ": "
    )
    if region := other_region(error, store.region):
        return Refused(
            f"{place_of(store)} is in region {region}, the profile says {store.region}",
            hint=f"set store.region to {region}",
        )
    if code in {"PreconditionFailed", "412"}:
        return AlreadyThere(said, hint="another run wrote this key first")
    for codes, hint in REFUSALS:
        if code in codes:
            return Refused(said, hint=hint)
    if status >= 500 or code in LATER:  # noqa: PLR2004 - HTTP's own number
        return NotYet(said, hint="look at the store, its log and its free space; the step is tried again")
    return Refused(said, hint="the store refuses this request; it is not tried again")


def code_of(error: ClientError) -> str:
    """In the store's own word."""
    return str(error.response.get("Error", {}).get("Code", ""))


def other_region(error: ClientError, ours: str) -> str | None:
    """The bucket's region, when the store says that it is not `ours`."""
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    return str(region) if region and region != ours else None


MISSING = {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}

LATER = {
    "SlowDown",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "Throttling",
    "OperationAborted",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "BadDigest",
}

REFUSALS = (
    ({"NoSuchBucket"}, "create the bucket, or correct store.bucket"),
    (
        {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"},
        "correct store.access_key and store.secret_key",
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
    (MISSING, "check the bucket and store.prefix"),
)
