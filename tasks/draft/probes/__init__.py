"""Parses what the API answers."""
