"""Holds the models of a rotation."""
