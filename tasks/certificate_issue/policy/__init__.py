"""Decides about certificates from nothing, in pure functions of facts."""
