"""Holds the values of this folder."""
