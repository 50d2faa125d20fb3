"""Gives a person a credential for a cluster, proves it, and takes it back."""
