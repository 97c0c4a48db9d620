"""The configuration of a run: its schema, its checks, its identity, and what people type."""
