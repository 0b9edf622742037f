"""Instruments' files: bytes and a name become images or stacks with their calibration."""
