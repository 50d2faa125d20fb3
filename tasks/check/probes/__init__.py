"""Holds the queries to nodes and to the API."""
