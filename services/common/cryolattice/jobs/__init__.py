"""Jobs: what kinds there are, how they are created, where they run."""
