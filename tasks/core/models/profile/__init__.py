"""Defines a cluster's profile: where its members, nodes and backups are.

It refers to secrets and never holds their values.
"""

from tasks.core.models.profile.access import Kubeadm, Kubernetes, Node, Ssh, SshGateway
from tasks.core.models.profile.certificates import CertificateRules, KubeconfigCopy
from tasks.core.models.profile.cluster import ClusterProfile
from tasks.core.models.profile.etcd import (
    Etcd,
    EtcdClientFiles,
    EtcdEndpoint,
    EtcdMemberGiven,
    EtcdOnNode,
    EtcdOverrides,
    Route,
    RouteChoice,
)
from tasks.core.models.profile.maintenance import (
    AlertRules,
    Console,
    MaintenanceRules,
    SiteGate,
    UpgradeRules,
    WorkloadGate,
    WorkloadRules,
)
from tasks.core.models.profile.resources import ResourceFilter, ResourceRules
from tasks.core.models.profile.schedules import Schedule
from tasks.core.models.profile.store import BackupRules, ObjectLock, Store
from tasks.core.models.profile.volumes import InContainers, VolumeCheck, VolumeHook, VolumeRules
from tasks.core.models.profile.words import NAME_PATTERN, ClusterName, HostName, Name, NodePath, Port, SecretRef

__all__ = [
    "NAME_PATTERN",
    "AlertRules",
    "BackupRules",
    "CertificateRules",
    "ClusterName",
    "ClusterProfile",
    "Console",
    "Etcd",
    "EtcdClientFiles",
    "EtcdEndpoint",
    "EtcdMemberGiven",
    "EtcdOnNode",
    "EtcdOverrides",
    "HostName",
    "InContainers",
    "Kubeadm",
    "KubeconfigCopy",
    "Kubernetes",
    "MaintenanceRules",
    "Name",
    "Node",
    "NodePath",
    "ObjectLock",
    "Port",
    "ResourceFilter",
    "ResourceRules",
    "Route",
    "RouteChoice",
    "Schedule",
    "SecretRef",
    "SiteGate",
    "Ssh",
    "SshGateway",
    "Store",
    "UpgradeRules",
    "VolumeCheck",
    "VolumeHook",
    "VolumeRules",
    "WorkloadGate",
    "WorkloadRules",
]
