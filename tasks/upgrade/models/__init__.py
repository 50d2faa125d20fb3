"""Holds the values of an upgrade."""
