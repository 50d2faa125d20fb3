"""Asks the machines and the API, and parses the answers with pure functions."""
