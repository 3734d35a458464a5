for (const choice of document.querySelectorAll(".site select")) choice.onchange = () => choice.form.submit();

async function count(place, sound, name) {
  const most = Number(document.querySelector("main").dataset.mostBytes);
  const warn = (text) => place.replaceChildren(Object.assign(document.createElement("p"), { className: "warning", textContent: text }));
  if (sound.size > most) return warn("The recording is too large.");
  place.textContent = "Listening";
  try {
    const got = await fetch(`try?${new URLSearchParams({ name, place: place.id })}`, { method: "POST", body: sound });
    if (got.status === 401) location.reload();
    const text = await got.text();
    if (!got.ok) return warn(text);
    place.innerHTML = text; // a part that a template of the package made, which escapes all names
  } catch {
    return warn("No answer came. Is callcount review still running?");
  }
  wire(place);
  const player = Object.assign(document.createElement("audio"), { controls: true, src: URL.createObjectURL(sound), ariaLabel: name });
  place.append(player);
}

// 16 bit PCM, since what a browser would pack sounds otherwise than what a recorder writes
function wav(blocks, rate) {
  const samples = blocks.reduce((n, block) => n + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const write = (at, text) => [...text].forEach((char, n) => view.setUint8(at + n, char.charCodeAt(0)));
  write(0, "RIFF"); view.setUint32(4, 36 + 2 * samples, true); write(8, "WAVEfmt ");
  [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, rate, 4], [28, 2 * rate, 4], [32, 2, 2], [34, 16, 2]].forEach(
    ([at, value, size]) => (size === 4 ? view.setUint32(at, value, true) : view.setUint16(at, value, true)));
  write(36, "data"); view.setUint32(40, 2 * samples, true);
  let at = 44;
  for (const block of blocks) for (const one of block) {
    view.setInt16(at, Math.max(-1, Math.min(1, one)) * 32767, true);
    at += 2;
  }
  return new Blob([view], { type: "audio/wav" });
}

async function record(button, place) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext(), blocks = [];
  await context.audioWorklet.addModule("microphone.js");
  const tap = new AudioWorkletNode(context, "tap");
  const most = Number(document.querySelector("main").dataset.mostBytes) / 2 - 44;
  let n = 0;
  const stop = () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    Object.assign(button, { textContent: "Record", onclick: () => begin(button, place) });
    count(place, wav(blocks, context.sampleRate), "microphone");
  };
  tap.port.onmessage = ({ data }) => {
    blocks.push(data);
    n += data.length;
    if (n + data.length > most) stop();
  };
  context.createMediaStreamSource(stream).connect(tap);
  Object.assign(button, { textContent: "Stop recording", onclick: stop });
  place.textContent = "Recording";
}

async function begin(button, place) {
  try {
    await record(button, place);
  } catch (error) {
    place.textContent = navigator.mediaDevices
      ? `The microphone cannot be used: ${error.message}`
      : "A browser gives its microphone to this machine's own address or to https alone.";
  }
}

for (const file of document.querySelectorAll("input[type=file]")) file.onchange = () => {
  if (file.files[0]) count(document.getElementById("file"), file.files[0], file.files[0].name);
};
for (const button of document.querySelectorAll(".record")) {
  button.onclick = () => begin(button, document.getElementById("microphone"));
}
