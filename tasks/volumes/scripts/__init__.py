"""Acts on a node: freezes and thaws an application, archives the folder of a volume, reads it back, and restores it."""
