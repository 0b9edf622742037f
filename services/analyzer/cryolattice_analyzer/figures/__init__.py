"""Figures, drawn with matplotlib's object interface."""
