"""Suites of tests that implementations of our protocols must pass, ours and a stranger's."""
