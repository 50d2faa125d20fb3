"""Holds the questions to the API."""
