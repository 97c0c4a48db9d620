"""Who runs the trials: worker processes on this machine, or the jobs of a launcher."""
