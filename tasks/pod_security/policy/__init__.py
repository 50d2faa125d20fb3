"""Holds the rules of the Pod Security Standards."""
