"""Run by an interpreter that has MediaPipe: what a model says of WAV files, as JSON.

    python classify_by_mediapipe.py MODEL.tflite CLIP.wav ...

Of each file, in order, the labels of its first clip by falling score, each with that score.
"""

import json
import sys
import wave

import numpy as np
from mediapipe.tasks.python import audio
from mediapipe.tasks.python.components.containers import AudioData


def classify(classifier, path):
    with wave.open(path) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
        sound = AudioData.create_from_array(samples.astype(np.float32), file.getframerate())
    first = classifier.classify(sound)[0]
    return [[one.category_name, one.score] for one in first.classifications[0].categories]


def main(model, *paths):
    classifier = audio.AudioClassifier.create_from_model_path(model)
    print(json.dumps([classify(classifier, path) for path in paths]))


if __name__ == "__main__":
    main(*sys.argv[1:])
