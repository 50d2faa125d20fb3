"""Decides which objects change, and what that means for the people of the policy."""
