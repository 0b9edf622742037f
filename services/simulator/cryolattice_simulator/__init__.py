"""Runs multislice sweeps over crystal models."""
