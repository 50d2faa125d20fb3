"""Restores claims from a backup of volumes: beside the old claim, or in its place; the old volume is kept."""
