"""Certificates of a cluster: where they are, who has read them, when they end."""
