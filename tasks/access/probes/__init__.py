"""Asks the API for its access rules, and parses the answers."""
