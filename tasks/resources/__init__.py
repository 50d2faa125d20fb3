"""Keeps the objects of a cluster as files in the bucket, and says what changed between two backups."""
