"""Candidates against the averaged cell: fits, evidence, verdict."""
