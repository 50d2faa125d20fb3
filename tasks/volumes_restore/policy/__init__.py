"""Decides from which snapshot a claim is restored, under which name, and what is in the way."""
