"""Recipes compared on the same folds of clips."""
