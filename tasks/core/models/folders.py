"""Where our runs keep what they need to know on a node, for root only: what is there outlives the run, the worker and a reboot."""

_ROOT = "/var/lib/kube-runbooks"

JOBS = f"{_ROOT}/jobs"
"""A folder for each long remote command."""

LOCK = f"{_ROOT}/lock"
"""Who owns the cluster's lock, as this node was told."""

PROGRAMS = f"{_ROOT}/bin"
"""etcd's tools, where the node itself has none."""

BACKUPS = f"{_ROOT}/backups"
"""A snapshot on its way to the store."""

RESTORES = f"{_ROOT}/restore"
"""How far a restore of etcd has come."""

UPGRADES = f"{_ROOT}/upgrade"

PATCHES = f"{_ROOT}/patch"
"""What a patch of the operating system intends, and how far it has come."""

ROTATIONS = f"{_ROOT}/certificates"
"""The copy of kubeadm's folder, and how far a rotation of leaf certificates has come."""

CA_ROTATIONS = f"{_ROOT}/ca-rotation"
"""On each control plane node the old and the new half of each rotation of an authority that has begun."""
