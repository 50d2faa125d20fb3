"""Parses claims, volumes, classes, pods and workloads as a restore of volumes needs them."""
