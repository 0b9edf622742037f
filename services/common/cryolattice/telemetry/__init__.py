"""What an operator sees: metrics, logs, traces. The science knows nothing of it."""
