"""One training run: from a configuration to a model and its record."""
