"""Contains the decisions of a run."""
