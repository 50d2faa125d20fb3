"""Contains the values of user_access and user_revoke."""
