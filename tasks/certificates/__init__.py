"""Builds the inventory of a cluster's certificates: where they are, which programs have read them, when they expire."""
