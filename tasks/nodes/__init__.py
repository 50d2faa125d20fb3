"""Describes nodes as they report themselves and as the API reports them."""
