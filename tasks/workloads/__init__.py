"""Rolls out, watches and undoes Deployments, StatefulSets and DaemonSets."""
