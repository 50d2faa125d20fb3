"""An authority replaced, in three stages."""
