"""Sound while it is heard: from a microphone or a stream to events, each as soon as it is sure."""
