"""Holds what was observed of an etcd cluster, member by member."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import FIGURES, MEMBER, Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.profile import EtcdEndpoint, EtcdOnNode, Route


@dataclass(frozen=True)
class ListedMember:
    """This is a member as MemberList returns it."""

    id: str
    name: str
    learner: bool
    urls: tuple[str, ...]


TRAILER_BYTES = hashlib.sha256().digest_size

MAX_RAFT_LAG = 1000
"""Limits how many entries a member may still have to apply.

Members of kubeadm clusters are 0 to 10 entries behind. A restarted member catches up in seconds.
"""

QUOTA_WARNING_PERCENT = 80
"""This is the percentage of the space quota that causes a warning.

At 100 % etcd raises NOSPACE and the API server becomes read-only.
"""


class MemberStatus(Model):
    """This is a member's own answer to Status, and whether it can serve a linearizable read."""

    COVERED: ClassVar[Reasons] = {"version storage_version is_leader has_leader healthy alarms errors db_quota": MEMBER}
    LEFT_OUT: ClassVar[Reasons] = {"revision raft_lag db_size db_size_in_use": FIGURES}

    version: str = Field(description="of the server, for example 3.6.16")
    storage_version: str = Field(default="", description="of the database, since etcd 3.6, for example 3.6.0")
    is_leader: bool
    has_leader: bool
    healthy: bool = Field(description="answered a linearizable read, which needs quorum")
    alarms: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    revision: int
    raft_lag: int = Field(description="entries that are committed and not yet applied by this member")
    db_size: int = Field(description="bytes of the database file")
    db_size_in_use: int = Field(description="bytes of it that are not free pages")
    db_quota: int = Field(default=0, description="bytes; 0 when the member does not tell (before 3.6)")


class Member(Model):
    """This is a member as the cluster lists it, how the worker reached it, and what it answered."""

    COVERED: ClassVar[Reasons] = {"id name url node on_node learner status": MEMBER}
    LEFT_OUT: ClassVar[Reasons] = {
        "route route_reason": "how it was reached this time; the parameter `route` is covered",
        "unreached": "the words of a network error; that it has no status is covered",
    }

    id: str = Field(description="16 hexadecimal digits, as etcdctl prints it; empty when no member could be asked")
    name: str
    url: str = Field(default="", description="client URL of the profile; empty when the profile has none for it")
    node: str | None = None
    on_node: EtcdOnNode | None = Field(default=None, description="where that node reaches it; none for the profile's")
    learner: bool = False
    route: Route | None = Field(default=None, description="how the worker reached it; none when it did not")
    route_reason: str = Field(default="", description="why this route and no other")
    status: MemberStatus | None = None
    unreached: str = Field(default="", description="why there is no status, a reason for each route that was tried")

    @property
    def endpoint(self) -> EtcdEndpoint:
        """Returns where to query this member again."""
        return EtcdEndpoint(url=self.url, node=self.node, on_node=self.on_node)

    @property
    def label(self) -> str:
        """Returns the name if there is one (a newly added member has none yet), else the id, else the URL."""
        return self.name or self.id or self.url


class EtcdFacts(Model):
    """These facts describe all members of a cluster at one moment."""

    cluster_id: str
    observed_at: UtcTime
    members: tuple[Member, ...]

    @property
    def newest_revision(self) -> int:
        """Returns the highest revision that any member reported; 0 if none did."""
        return max((member.status.revision for member in self.members if member.status), default=0)


class KeySpaceHash(Model):
    """This is the HashKV of a member: equal hashes at equal revisions and compact revisions mean equal key spaces."""

    hash: int
    revision: int
    compact_revision: int
