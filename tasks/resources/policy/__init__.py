"""Decides what a backup has, how its files are written, and what changed."""
