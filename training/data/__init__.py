"""Clips to learn from: from folders, annotated recordings and reviewed clips, split by source."""
