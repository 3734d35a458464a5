"""Invented birds and soundscapes, for the demo, tests and benchmarks."""
