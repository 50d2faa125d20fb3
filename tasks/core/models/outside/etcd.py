"""Models etcdctl's JSON as 3.5, 3.6 and 3.7 print it: one answer for each endpoint."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside


class EtcdHeader(Outside):
    """This is the header of every answer."""

    revision: int


class EtcdHashKv(Outside):
    """This is a hash of the key space at a revision."""

    hash: int
    compact_revision: int = 0


class EtcdHash(Outside):
    """This is the answer of `endpoint hashkv` for one endpoint."""

    hash_kv: EtcdHashKv = Field(alias="HashKV")


class EtcdMemberStatus(Outside):
    """This is the status that a member reports of itself."""

    header: EtcdHeader
    storage_version: str = ""


class EtcdStatus(Outside):
    """This is the answer of `endpoint status` for one endpoint."""

    status: EtcdMemberStatus = Field(alias="Status")
