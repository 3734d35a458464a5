"""Training: clips or annotated recordings to bundles; TensorFlow is imported here alone."""

from training.train import TrainObserver, train

__all__ = ["TrainObserver", "train"]
