"""Which clips of a scan are most worth a person's ear."""
