"""Archives: a full disk, kill -9 at every step, values of every type."""
