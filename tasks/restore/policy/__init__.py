"""Decides by pure functions of facts."""
