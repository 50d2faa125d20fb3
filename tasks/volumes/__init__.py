"""Backs up volumes by CSI snapshots, with a manifest in the bucket, and removes old ones by rules."""
