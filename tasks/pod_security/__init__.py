"""Holds what the Pod Security Standards say about workloads."""
