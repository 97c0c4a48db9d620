"""Any labelled file as rows: its encoding, its format, its columns, and what cannot be used."""
