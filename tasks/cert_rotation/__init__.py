"""Leaf certificates renewed, and proven on the wire."""
