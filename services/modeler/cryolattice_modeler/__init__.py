"""Builds crystal models: orderings of partially occupied sites, clusters, views."""
