"""Contains the queries of a run."""
