"""Brings objects of a backup back into a cluster, by the API server's own dry run, and proves in a drill that it can."""
