"""A finished scan as one HTML file that opens anywhere: the figures, and events to hear."""
