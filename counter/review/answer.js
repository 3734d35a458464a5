// One item to look at, to hear and to answer. All text is set as text, never as HTML. With each item
// comes the next one, which is shown at once while the answer is on its way.
const SPEEDS = [1, 0.5, 0.25, 2];
const ticks = (low, high, most) => {
  const rough = (high - low) / most;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const n = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: n }, (_, i) => Number(((first + i) * step).toPrecision(10)));
};

// ``transmit`` sends an answer to the item of a row and promises the server's reply;
// ``fail`` tells why an answer was not stored.
export function start(root, transmit, fail) {
  const one = (name) => root.querySelector(name);
  const sound = one(".sound");
  const frame = one(".frame");
  // reply: what the server sent last; item: what is shown; early: an answer given before its reply
  const me = { reply: null, item: null, early: null, isBusy: false, time: [0, 1], hertz: [0, 1] };

  const ahead = new Image();
  const wait = (isWaiting) => root.classList.toggle("is-waiting", isWaiting);
  const send = async (answer) => {
    one(".others").hidden = true;
    if (me.isBusy) {
      if (me.item !== me.reply.item) { me.early = answer; wait(true); }
      return;
    }
    me.isBusy = true;
    const answered = transmit(answer, me.reply.item?.row);
    if (me.reply.next && answer.verdict !== "back") show(me.reply.next); else wait(true);
    try {
      me.update(await answered);
    } catch (error) {
      me.early = null;
      me.update(me.reply);
      fail(error.message);
    }
  };
  me.send = send;
  const spanHz = () => me.item.freq_max_hz;
  const lengthS = () => me.item.end_s - me.item.start_s;

  const axis = (box, values, place, text) => {
    box.replaceChildren(...values.map((value) => {
      const tick = document.createElement("span");
      tick.textContent = text(value);
      tick.style[place[0]] = `${100 * place[1](value)}%`;
      return tick;
    }));
  };
  const draw = () => {
    const [t0, t1] = me.time, [f0, f1] = me.hertz;
    const layer = one(".layer").style;
    layer.width = `${100 / (t1 - t0)}%`;
    layer.left = `${(-100 * t0) / (t1 - t0)}%`;
    layer.height = `${100 / (f1 - f0)}%`;
    layer.bottom = `${(-100 * f0) / (f1 - f0)}%`;
    const at = (share) => me.item.start_s + share * lengthS();
    axis(one(".seconds"), ticks(at(t0), at(t1), Math.max(4, frame.clientWidth / 110)),
      ["left", (s) => ((s - me.item.start_s) / lengthS() - t0) / (t1 - t0)], (s) => `${s} s`);
    axis(one(".hertz"), ticks((f0 * spanHz()) / 1000, (f1 * spanHz()) / 1000, 6),
      ["top", (k) => 1 - ((k * 1000) / spanHz() - f0) / (f1 - f0)], (k) => `${k} kHz`);
  };
  const zoomed = ([low, high], factor, about) => {
    const width = Math.min(1, Math.max(0.02, (high - low) * factor));
    const start = about - ((about - low) / (high - low)) * width;
    const from = Math.min(Math.max(0, start), 1 - width);
    return [from, from + width];
  };
  const zoom = (which, factor, about) => {
    const middle = which === "hertz" ? me.hertz[0] : (me.time[0] + me.time[1]) / 2;
    me[which] = zoomed(me[which], factor, about ?? middle);
    draw();
  };
  const pan = (which, share) => {
    const [low, high] = me[which];
    const by = Math.min(Math.max(share * (high - low), -low), 1 - high);
    me[which] = [low + by, high + by];
    draw();
  };
  const fit = () => {
    me.time = [0, 1];
    me.hertz = [0, Math.min(1, me.item.shown_hz / spanHz())];
    draw();
  };
  const zooms = {
    "time in": () => zoom("time", 0.6), "time out": () => zoom("time", 1 / 0.6),
    "hertz in": () => zoom("hertz", 0.7), "hertz out": () => zoom("hertz", 1 / 0.7), fit,
  };
  const shares = (event) => {
    const box = frame.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (box.bottom - event.clientY) / box.height;
    return [me.time[0] + x * (me.time[1] - me.time[0]), me.hertz[0] + y * (me.hertz[1] - me.hertz[0])];
  };
  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [t, f] = shares(event), factor = (event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8;
    if (event.shiftKey) zoom("hertz", factor, f); else zoom("time", factor, t);
  }, { passive: false });
  let grip = null;
  frame.addEventListener("pointerdown", (event) => {
    grip = { x: event.clientX, y: event.clientY, moved: 0 };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!grip) return;
    pan("time", (grip.x - event.clientX) / frame.clientWidth);
    pan("hertz", (event.clientY - grip.y) / frame.clientHeight);
    grip.moved += Math.abs(grip.x - event.clientX) + Math.abs(event.clientY - grip.y);
    grip.x = event.clientX;
    grip.y = event.clientY;
  });
  frame.addEventListener("pointerup", (event) => {
    if (grip && grip.moved < 4) {
      sound.currentTime = Math.max(0, shares(event)[0] * me.item.sound_s);
      sound.play().catch(() => {});
    }
    grip = null;
  });

  const speed = one(".speed");
  const setSpeed = () => {
    sound.preservesPitch = false; // as a tape: what is too high to be heard comes down
    sound.playbackRate = Number(speed.value);
  };
  speed.addEventListener("change", () => { setSpeed(); speed.blur(); }); // keys are answers again
  sound.addEventListener("loadedmetadata", setSpeed);
  const follow = () => {
    const at = me.item && me.item.sound_s ? Math.min(1, sound.currentTime / me.item.sound_s) : 0;
    one(".cursor").style.left = `${100 * at}%`;
    if (!sound.paused) requestAnimationFrame(follow);
  };
  ["play", "seeked", "timeupdate"].forEach((name) => sound.addEventListener(name, follow));
  root.querySelectorAll("[data-zoom]").forEach((button) => {
    button.addEventListener("click", () => zooms[button.dataset.zoom]());
  });

  const button = (text, key, act) => {
    const made = document.createElement("button");
    made.append(text);
    if (key) {
      made.append(Object.assign(document.createElement("kbd"), { textContent: key, ariaHidden: "true" }));
      made.setAttribute("aria-keyshortcuts", key);
    }
    made.addEventListener("click", act);
    return made;
  };
  const field = (label, type, act) => {
    const box = document.createElement("label"), input = document.createElement("input");
    input.type = type;
    input.min = 0;
    input.max = 9999;
    input.maxLength = 60;
    const done = () => { if (input.value.trim() && input.checkValidity()) act(input.value.trim()); };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") done();
      if (event.key === "Escape") one(".others").hidden = true;
    });
    box.append(label, " ", input);
    return [box, button("OK", "Enter", done)];
  };
  const open = (parts) => {
    one(".others").replaceChildren(...parts);
    one(".others").hidden = false;
    one(".others input")?.focus();
  };
  const askOther = () => open([
    ...me.item.others.map((label) =>
      button(label, "", () => send({ verdict: "other", other: label }))),
    ...(me.item.is_free ? field("what is it?", "text", (text) => send({ verdict: "other", other: text })) : []),
  ]);
  const askMany = () =>
    open(field("number of calls", "number", (text) => send({ verdict: "counted", calls: Number(text) })));
  const acts = () => {
    const some = { u: ["unsure", () => send({ verdict: "unsure" })], b: ["back", () => send({ verdict: "back" })] };
    if (me.item.is_count) {
      const digits = Array.from({ length: 10 }, (_, n) => [n, [n, () => send({ verdict: "counted", calls: n })]]);
      return { ...Object.fromEntries(digits), m: ["more", askMany], ...some };
    }
    const other = me.item.is_free || me.item.others.length ? { o: ["other label", askOther] } : {};
    const plain = { y: ["yes", () => send({ verdict: "yes" })], n: ["no", () => send({ verdict: "no" })] };
    return { ...plain, u: some.u, ...other, b: some.b };
  };
  const play = () => (sound.paused ? sound.play().catch(() => {}) : sound.pause());
  const tools = {
    " ": play, f: fit, "+": zooms["time in"], "=": zooms["time in"], "-": zooms["time out"],
    arrowup: zooms["hertz in"], arrowdown: zooms["hertz out"],
    arrowleft: () => pan("time", -0.25), arrowright: () => pan("time", 0.25),
    s: () => { speed.value = SPEEDS[(SPEEDS.indexOf(Number(speed.value)) + 1) % SPEEDS.length]; setSpeed(); },
  };
  const onKey = (event) => {
    const target = event.target, key = event.key.toLowerCase(), isBox = target.tagName === "INPUT";
    const isTyped = /^(textarea|select)$/i.test(target.tagName) || (isBox && !/checkbox|range/.test(target.type));
    // a box that was clicked leaves the keys to the answers, one that was reached by Tab is for Space
    const isPressed = [" ", "enter"].includes(key)
      && target.matches("button, summary, a, audio, [type=checkbox]:focus-visible");
    const isMoved = isBox && target.type === "range" && /^(arrow|home|end|page)/.test(key);
    if (!me.item || isTyped || isPressed || isMoved || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const act = acts()[key]?.[1] ?? tools[key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  document.addEventListener("keydown", onKey, true);

  const show = (item) => {
    const before = me.item;
    me.item = item;
    wait(false);
    one(".others").hidden = true;
    one(".question").textContent = item.question;
    one(".facts").textContent = item.facts.join(" · ");
    one(".own-answer").textContent = item.answered ? `Your answer so far: ${item.answered}` : "";
    one(".missing").textContent = item.missing;
    one(".picture").hidden = one(".mark").hidden = one(".cursor").hidden = Boolean(item.missing);
    one(".answers").replaceChildren(...Object.entries(acts()).map(([key, [text, act]]) => {
      const made = button(String(text), String(text) === key ? "" : key.toUpperCase(), act);
      made.setAttribute("aria-pressed", String(text) === item.answered);
      return made;
    }));
    if (item.missing) {
      sound.removeAttribute("src");
      sound.load(); // else the one before plays on
      return;
    }
    one(".picture").src = item.picture;
    sound.src = item.sound;
    const mark = item.mark_s.map((s) => (s - item.start_s) / lengthS());
    one(".mark").style.left = `${100 * mark[0]}%`;
    one(".mark").style.right = `${100 * (1 - mark[1])}%`;
    if (before && before.freq_max_hz === item.freq_max_hz) { me.time = [0, 1]; draw(); } else fit();
    one(".cursor").style.left = "0";
    if (one(".autoplay").checked) sound.play().catch(() => {}); // a browser may want a click first
  };
  me.update = (reply) => {
    const early = me.early, isShown = me.item && me.item.row === reply.item?.row;
    Object.assign(me, { reply, early: null, isBusy: false });
    wait(false);
    root.hidden = !reply.item;
    if (!reply.item) {
      me.item = null;
      sound.pause();
      return;
    }
    ahead.src = reply.next?.picture || ""; // decoded by the time it is shown
    if (!isShown) show(reply.item);
    me.item = reply.item;
    if (isShown && early) send(early);
  };
  new ResizeObserver(() => me.item && !me.item.missing && draw()).observe(frame);
  return me;
}
