"""Decides what a credential must be, and what a run does about it."""
