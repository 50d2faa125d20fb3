"""Contains the values of a backup."""
