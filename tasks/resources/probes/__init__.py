"""Parses what the API says about its kinds."""
