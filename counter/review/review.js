import { start } from "./answer.js";

const one = (name) => document.querySelector(name);
const form = one("form.wish"), NAME = "reviewer";
const LOST_MS = 20000;
let session = "", begun = Promise.resolve(), nBegun = 0;

const warn = (text) => Object.assign(one(".problem"), { textContent: text, hidden: !text });

async function post(path, body) {
  let got, reply;
  try {
    got = await fetch(path, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(LOST_MS) });
    if (got.status === 401) location.reload(); // the server was started anew and wants its token
    reply = await got.json();
  } catch {
    throw new Error("no answer came. Is callcount review still running?");
  }
  if (got.status === 410) begin();
  if (!got.ok) throw new Error(reply.error);
  return reply;
}

const me = start(one(".review"), async (answer, row) => {
  await begun; // of a name or a filter that was changed just before
  if (me.reply.item?.row !== row) throw new Error("something else came in between.");
  const reply = await post("answer", { session, seq: me.reply.seq, ...answer });
  warn("");
  return show(reply);
}, (why) => warn(`Not stored: ${why}`));

function show(reply) {
  one(".progress span").textContent = reply.progress;
  one(".progress progress").value = reply.share;
  one(".end").hidden = Boolean(reply.item);
  one(".end p").textContent = reply.end;
  return reply;
}

const checked = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value);
const value = (name) => form.elements[name]?.value;
const wish = () => ({
  sites: checked("sites"),
  labels: checked("labels"),
  answer: value("answer"),
  ...(value("order") && { order: value("order"), scores: ["low", "high"].map((name) => Number(value(name))) }),
});

function begin() {
  const number = ++nBegun, reviewer = value(NAME).trim();
  sessionStorage.setItem(NAME, reviewer);
  begun = (async () => {
    if (!reviewer) {
      me.update({ item: null });
      warn("Write your name: it is stored with each answer.");
      return;
    }
    try {
      const reply = await post("session", { reviewer, wish: wish() });
      if (number !== nBegun) return;
      session = reply.session;
      warn("");
      me.update(show(reply));
    } catch (error) {
      if (number === nBegun) warn(error.message);
    }
  })();
}

for (const name of ["low", "high"]) {
  form.elements[name]?.addEventListener("input", ({ target }) => {
    form.elements[`${name}_shown`].value = Number(target.value).toFixed(2);
  });
}
form.addEventListener("change", begin);
form.addEventListener("submit", (event) => { event.preventDefault(); document.activeElement.blur(); });
one(".end button").addEventListener("click", () => me.send({ verdict: "back" }));
one(".agreement").addEventListener("toggle", async ({ target }) => {
  if (!target.open) return;
  // a part that a template of the package made, which escapes all names
  target.querySelector("div").innerHTML = await (await fetch("agreement")).text();
});
form.elements[NAME].value = sessionStorage.getItem(NAME) || form.elements[NAME].value;
if (matchMedia("(max-width: 44rem)").matches) one("aside details").open = false;
begin();
