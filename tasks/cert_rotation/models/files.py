"""Names the files that a rotation keeps on a node."""

from tasks.core.models.folders import ROTATIONS

RECORD = f"{ROTATIONS}/record.json"

PUT_BACK = f"{ROTATIONS}/put-back"
"""This file marks that the previous files are restored. Its time says when."""

STAGE = f"{ROTATIONS}/stage"
"""This folder holds new pairs of key and certificate until they are complete."""

CONFIGURATION = f"{ROTATIONS}/kubeadm.yaml"
"""This is the configuration file for kubeadm."""
