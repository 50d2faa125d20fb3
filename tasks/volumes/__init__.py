"""Backs up volumes by CSI snapshots or archives, with a manifest in the bucket, and removes old ones by rules."""
