"""What a group of the course hands in: a zip with models, code and report."""
