"""What ``--format`` can be, without what writing it needs."""

from __future__ import annotations

# events.csv is written whatever is asked for: later commands read it.
CSV = "csv"
FORMAT_NAMES = (CSV, "parquet", "jsonl", "raven", "audacity", "kaleidoscope", "birdnet")
