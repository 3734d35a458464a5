"""The tables and manifest that a scan leaves, written and read back."""
