"""The files that runs leave: their names, and a type, a writer and a reader for each record."""
