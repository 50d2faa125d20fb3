"""Decides which claims get a snapshot, whether a snapshot can be used, and which old ones are removed."""
