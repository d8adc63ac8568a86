"""Spatial transformers: networks that choose where to sample."""
