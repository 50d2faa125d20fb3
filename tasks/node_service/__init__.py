"""Drains, uncordons or reboots one node at the request of a person or an incident."""
