"""Pure readers that all slices share."""
