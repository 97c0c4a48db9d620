"""Trackers such as MLflow: a thread of the command mirrors what the records say into one."""
