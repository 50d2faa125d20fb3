"""Holds the pure parsers that all slices share."""
