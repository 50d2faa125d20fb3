"""Asks registries from nodes, as the kubelet and the container runtime do, and reads the Secrets of registries."""
