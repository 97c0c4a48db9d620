"""Texts: their sources, their splits, and their encoding as batches of indices."""
