"""Models claims, snapshots, and the backups that are made of them."""
