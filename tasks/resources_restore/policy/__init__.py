"""Decides which objects of a backup are restored, as what, in which order, and what the API server's answers mean."""
