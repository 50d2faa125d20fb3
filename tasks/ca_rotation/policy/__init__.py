"""Decides about a CA rotation, in pure functions of facts."""
