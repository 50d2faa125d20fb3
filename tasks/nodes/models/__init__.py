"""Defines the values for nodes, pods and workloads."""
