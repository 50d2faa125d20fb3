"""Diagnoses a cluster's profile: what works, what does not, and how to fix it."""
