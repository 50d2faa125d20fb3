"""Values that cross a boundary, shared by all slices."""
