"""Decides what a profile contains."""
