"""Handles the static pods of a control plane node: lists them, takes them away from kubelet, and gives them back."""
