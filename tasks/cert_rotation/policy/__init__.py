"""Decides about a rotation, in pure functions of facts."""
