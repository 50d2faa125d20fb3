"""Evaluates NetworkPolicies, and decides which pairs of pods prove that they are enforced."""
