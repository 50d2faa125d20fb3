"""Upgrades Kubernetes."""
