"""Training windows and made recordings: drawn, mixed, laid over backgrounds."""
