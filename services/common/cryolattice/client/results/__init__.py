"""What the workflows found, as small immutable objects that a notebook shows."""
