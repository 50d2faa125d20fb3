"""Decides what the API must allow, and what the answers of a cluster mean."""
