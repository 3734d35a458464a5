// Passes on what the microphone hears, block by block.
class Tap extends AudioWorkletProcessor {
  process([[sound]]) {
    if (sound) this.port.postMessage(sound.slice());
    return true;
  }
}
registerProcessor("tap", Tap);
