"""Nodes, as they and the API describe them."""
