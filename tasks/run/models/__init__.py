"""Contains the values of a run."""
