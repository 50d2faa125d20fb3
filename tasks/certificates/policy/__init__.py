"""Decides about certificates, in pure functions of facts."""
