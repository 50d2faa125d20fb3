"""Holds the models that cross a boundary and that all slices share."""
