"""Packages of the operating system, and reboots."""
