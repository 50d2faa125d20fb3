"""Runs the command line with `python -m kube_runbooks`."""

from kube_runbooks.app import main

main()
