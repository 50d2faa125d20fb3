"""Decides which credentials of a Secret count for an image."""
