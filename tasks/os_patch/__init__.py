"""Patches the packages of the operating system, and reboots nodes."""
