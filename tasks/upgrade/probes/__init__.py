"""Holds the questions to nodes and to the API, and pure parsers of the answers."""
