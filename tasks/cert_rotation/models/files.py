"""Where a rotation keeps what it needs on a node."""

from tasks.core.models.folders import ROTATIONS

RECORD = f"{ROTATIONS}/record.json"

PUT_BACK = f"{ROTATIONS}/put-back"
"""A mark: the previous files are back, since its time."""

STAGE = f"{ROTATIONS}/stage"
"""New pairs, until they are whole."""

CONFIGURATION = f"{ROTATIONS}/kubeadm.yaml"
"""For kubeadm."""
