"""Holds the decisions of this folder: pure functions of facts."""
