"""Holds what NetworkPolicies say about pods, and what the network does about it."""
