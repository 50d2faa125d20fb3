"""Defines the bucket, and the rules for backups in it."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Duration, Model, TimeZone
from tasks.core.models.profile.etcd import RouteChoice
from tasks.core.models.profile.words import SecretRef, Url, WorkerPath
from tasks.core.models.recipients import AgeRecipient
from tasks.core.models.retention import Retention


class ObjectLock(Model):
    """This is S3 Object Lock for every object of a backup; the bucket must have it enabled."""

    COVERED: ClassVar[Reasons] = {"mode days": "how long nobody can delete a backup"}

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    days: int = Field(ge=1, le=36500)


class Store(Model):
    """This is the S3 bucket that keeps backups and reports."""

    COVERED: ClassVar[Reasons] = {
        "bucket prefix region endpoint kms_key storage_class object_lock": "where a backup goes, and how it is kept"
    }
    LEFT_OUT: ClassVar[Reasons] = {"ca access_key secret_key addressing checksums": ACCESS}

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = Field(
        description="name of the bucket for backups and reports"
    )
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?$")] = ""
    region: str = "us-east-1"
    endpoint: Annotated[Url, StringConstraints(pattern=r"^https?://[^/@\s]+$")] | None = Field(
        default=None, description="URL of the S3 server; default: AWS"
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description="path uses https://HOST/BUCKET, virtual uses https://BUCKET.HOST; auto uses path if `endpoint` is set",
    )
    checksums: Literal["when_supported", "when_required"] = Field(
        default="when_supported",
        description="set it to when_required if the store does not support S3's checksums of 2024",
    )
    ca: WorkerPath | None = Field(
        default=None, description="absolute path of a CA bundle for the endpoint; default: the system's bundle"
    )
    access_key: SecretRef | None = Field(
        default=None, description="access key; default: boto3 finds it (AWS_ACCESS_KEY_ID, ~/.aws, the host's role)"
    )
    secret_key: SecretRef | None = None
    kms_key: str | None = Field(
        default=None, description="id or ARN of a KMS key; encrypts every object of a backup by SSE-KMS"
    )
    storage_class: str | None = None
    object_lock: ObjectLock | None = None

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            message = (
                "access_key and secret_key come as a pair; give both, or neither: then boto3 finds the keys itself"
            )
            raise ValueError(message)
        return self


class BackupRules(Model):
    """These rules define a cluster's backups: their route, how long they are kept, and how old the newest may be."""

    COVERED: ClassVar[Reasons] = {
        "route retention stale_upload_age time_zone": "what the backup of an upgrade reads and deletes",
        "recipients": "who can read key material",
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "rpo": "when people are warned that backups are too old",
        "identity": "a rollback names in its plan what it brings back with it",
    }

    route: RouteChoice = "auto"
    retention: Retention = Retention(last=7, daily=14, weekly=8, monthly=12)
    rpo: Duration = Field(
        default=timedelta(hours=26),
        gt=timedelta(0),
        description="recovery point objective: the greatest allowed age of the newest good backup, for example 26h",
    )
    stale_upload_age: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(hours=1),
        description="age at which our unfinished uploads are aborted",
    )
    time_zone: TimeZone = "UTC"
    recipients: tuple[AgeRecipient, ...] = Field(
        default=(), description="age recipients for the keys that --pki backs up; each of them can decrypt alone"
    )
    identity: SecretRef | None = Field(
        default=None,
        description="secret half of one of the recipients; with it a rollback can decrypt and bring back Secrets",
    )
