"""Decides which Secrets are created, which ServiceAccounts get them, and which old ones may go."""
