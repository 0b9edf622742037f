"""Committed datasets: Zarr arrays and files under one root, sealed by a manifest."""
