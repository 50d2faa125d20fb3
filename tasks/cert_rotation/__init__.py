"""Renews leaf certificates and verifies what is served."""
