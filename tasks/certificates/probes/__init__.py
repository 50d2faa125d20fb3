"""Asks the nodes and the API, and parses the answers with pure functions."""
