"""Writes a profile from what a cluster reports."""
