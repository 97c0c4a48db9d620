"""Runs and studies below folders: found, ranked, compared with each other and with baselines."""
