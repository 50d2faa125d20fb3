"""Acts on a node: archives the folder of a volume, reads it back from the store, and restores it."""
