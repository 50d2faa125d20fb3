"""Holds credentials of registries, and what registries answer."""
