"""Parses NetworkPolicies and pods, and asks nodes what pods can reach."""
