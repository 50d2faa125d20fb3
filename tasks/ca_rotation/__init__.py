"""Rotates a CA or the service-account key pair in three stages."""
