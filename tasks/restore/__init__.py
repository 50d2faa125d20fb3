"""Restores etcd on its nodes."""
