"""Provides the command `kube-runbooks`, which runs every runbook, and the tasks around it, from a terminal."""
