"""What a scan leaves behind: tables, manifest, plots."""
