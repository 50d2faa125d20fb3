"""Holds the models of certificates."""
