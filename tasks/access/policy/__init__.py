"""Decides who may do what, and which of these rights are findings."""
