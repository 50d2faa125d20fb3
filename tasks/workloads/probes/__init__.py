"""Parsers of the API's answers about workloads."""
