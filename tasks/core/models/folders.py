"""Names the folders and the file on a node where runs keep their state, for root only.

The content outlives the run, the worker and a reboot.
"""

_ROOT = "/var/lib/kube-runbooks"

JOBS = f"{_ROOT}/jobs"
"""This folder holds one folder for each long remote command."""

LOCK = f"{_ROOT}/lock"
"""This file names the owner of the cluster's lock, as far as this node was informed."""

PROGRAMS = f"{_ROOT}/bin"
"""This folder holds etcd's tools if the node itself has none."""

BACKUPS = f"{_ROOT}/backups"
"""This folder holds a snapshot on its way to the store."""

VOLUMES = f"{_ROOT}/volumes"
"""This folder notes which archive of a volume was restored into which folder."""

RESTORES = f"{_ROOT}/restore"
"""This folder records the progress of an etcd restore."""

UPGRADES = f"{_ROOT}/upgrade"

PATCHES = f"{_ROOT}/patch"
"""This folder records what an operating system patch intends, and its progress."""

ROTATIONS = f"{_ROOT}/certificates"
"""This folder holds the copy of kubeadm's folder, and the progress of a rotation of leaf certificates."""

CA_ROTATIONS = f"{_ROOT}/ca-rotation"
"""This folder holds the old and the new half of each CA rotation that has begun. A worker node has no key there."""
