"""Holds the values of operating system patches."""
