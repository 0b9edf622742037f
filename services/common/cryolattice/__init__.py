"""Which atomic arrangement does a low-dose micrograph show? Shared parts and client."""
