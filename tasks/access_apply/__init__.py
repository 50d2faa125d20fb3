"""Gives a cluster the access that its policy declares, and says where it is different."""
