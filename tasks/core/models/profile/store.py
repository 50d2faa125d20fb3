"""The bucket, and what a backup in it means."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Duration, Model, TimeZone
from tasks.core.models.profile.etcd import RouteChoice
from tasks.core.models.profile.words import SecretRef
from tasks.core.models.recipients import AgeRecipient
from tasks.core.models.retention import Retention


class ObjectLock(Model):
    """S3 Object Lock for every object of a backup; the bucket must have it enabled."""

    COVERED: ClassVar[Reasons] = {"mode days": "how long nobody can delete a backup"}

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    days: int = Field(ge=1, le=36500)


class Store(Model):
    """The S3 bucket that keeps backups and reports."""

    COVERED: ClassVar[Reasons] = {
        "bucket prefix region endpoint kms_key storage_class object_lock": "where a backup goes, and how it is kept"
    }
    LEFT_OUT: ClassVar[Reasons] = {"ca access_key secret_key": ACCESS}

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?$")] = ""
    region: str = "us-east-1"
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+$")] | None = Field(
        default=None, description="of an S3 server that is not AWS; path-style addressing is used then"
    )
    ca: str | None = Field(default=None, description="path of a CA bundle for the endpoint; default: the system's")
    access_key: SecretRef | None = Field(
        default=None, description="default: boto3's own chain (role, environment, profile)"
    )
    secret_key: SecretRef | None = None
    kms_key: str | None = Field(default=None, description="id or ARN of a KMS key: SSE-KMS for every object")
    storage_class: str | None = None
    object_lock: ObjectLock | None = None

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            message = "access_key and secret_key come as a pair; give both, or neither for boto3's own chain"
            raise ValueError(message)
        return self


class BackupRules(Model):
    """What a backup of this cluster means: its route, how long it is kept, how old the newest may be."""

    COVERED: ClassVar[Reasons] = {
        "route retention stale_upload_age time_zone": "what the backup of an upgrade reads and deletes",
        "recipients": "who can read key material",
    }
    LEFT_OUT: ClassVar[Reasons] = {"rpo": "when a person is told that backups are too old"}

    route: RouteChoice = "auto"
    retention: Retention = Retention(last=7, daily=14, weekly=8, monthly=12)
    rpo: Duration = Field(
        default=timedelta(hours=26),
        gt=timedelta(0),
        description="recovery point objective: the newest good backup is never older, for example 26h",
    )
    stale_upload_age: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(hours=1),
        description="unfinished uploads of ours older than this are aborted",
    )
    time_zone: TimeZone = "UTC"
    recipients: tuple[AgeRecipient, ...] = Field(
        default=(), description="for whom key material (pki=true) is encrypted: any one of them can read it"
    )
