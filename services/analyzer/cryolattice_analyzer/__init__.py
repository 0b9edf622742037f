"""Analyses micrographs and diffraction series, and ranks models against them."""
