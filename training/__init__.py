"""Clips to bundle: the training side of callcount; TensorFlow is imported here alone."""
