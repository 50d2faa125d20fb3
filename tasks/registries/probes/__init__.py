"""Asks nodes where they pull images from, and registries whether they have an image."""
