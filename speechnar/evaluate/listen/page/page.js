// The rater's page. Answers go into a queue that outlives a reload, and leave it when the server has stored them; each
// carries a key of its own, so that sending one twice stores it once.
"use strict";

const BANDS = ["bad", "poor", "fair", "good", "excellent"]; // of sliders, 20 points each
const LONGEST_WAIT = 8000; // milliseconds between attempts to reach the server
const LONGEST_REQUEST = 30000; // milliseconds

const element = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// What outlives a reload; where the browser keeps nothing, the page works without.
const store = {
  name: (name) => `speechnar ${document.body.dataset.test} ${name}`,
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(store.name(name))) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(store.name(name), JSON.stringify(value));
    } catch {}
  },
};

let token = store.get("token", null);
const queue = store.get("queue", []);
let test = null;
let players = [];
let shownAt = 0;
let place = -1;
const samples = new Map(); // trial -> promise of the URLs of its samples

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing where there is no TLS
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function hint(text) {
  element("hint").textContent = text;
}

function say(text) {
  element("status").textContent = text;
}

// Asks until the server answers, whatever the network does meanwhile.
async function ask(method, path, body) {
  for (let wait = 500; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    try {
      const response = await fetch(path, {
        method,
        headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(LONGEST_REQUEST),
      });
      if (response.status < 500 && response.status !== 408) {
        say("");
        return response;
      }
    } catch {}
    const kept = queue.length ? ` Answers kept here until then: ${queue.length}.` : "";
    say(`No connection to the server; trying again.${kept}`);
    const online = new Promise((resolve) => addEventListener("online", resolve, { once: true }));
    await Promise.race([pause(wait), online]);
  }
}

async function reason(response) {
  try {
    const { detail } = await response.json();
    return typeof detail === "string" ? detail : `error ${response.status}`;
  } catch {
    return `error ${response.status}`;
  }
}

let sending = null;
function send() {
  sending ??= empty().finally(() => (sending = null));
  return sending;
}

async function empty() {
  while (queue.length) {
    const response = await ask("POST", "api/ratings", queue[0]);
    // 409: another tab has answered this trial
    if (!response.ok && response.status !== 409) hint(`An answer was refused: ${await reason(response)}.`);
    queue.shift();
    store.set("queue", queue);
  }
}

function show(section) {
  for (const id of ["welcome", "trial", "end"]) element(id).hidden = id !== section;
  element(`${section}-title`).focus();
  scrollTo(0, 0);
}

async function begin() {
  const key = store.get("key", null) ?? newKey();
  store.set("key", key); // so that a reply that is lost makes no second rater
  const response = await ask("POST", "api/raters", { key });
  if (!response.ok) return hint(`${await reason(response)}.`);
  token = (await response.json()).token;
  store.set("token", token);
  return resume();
}

async function resume() {
  const response = await ask("GET", "api/test");
  if (!response.ok) {
    token = null;
    return show("welcome");
  }
  test = await response.json();
  test.done = new Set([...test.answered, ...queue.map((answer) => answer.trial)]);
  send();
  return next();
}

function firstOpen(from) {
  for (let trial = from; trial < test.trials; trial++) if (!test.done.has(trial)) return trial;
  return null;
}

function fetchSamples(trial) {
  if (!samples.has(trial)) {
    const urls = test.samples.map(async (_, sample) => {
      const response = await ask("GET", `api/trials/${trial}/samples/${sample}`);
      if (!response.ok) throw new Error(await reason(response));
      return URL.createObjectURL(await response.blob());
    });
    samples.set(trial, Promise.all(urls));
  }
  return samples.get(trial);
}

async function next() {
  for (const player of players) player.audio.pause();
  const done = test.done.size;
  element("progress").hidden = false;
  element("bar").value = done / test.trials;
  element("count").textContent = `${done} of ${test.trials} answered`;
  if (samples.has(place)) (await samples.get(place)).forEach((url) => URL.revokeObjectURL(url));
  samples.delete(place);
  place = firstOpen(0);
  if (place === null) return finish();
  hint("");
  let urls;
  const loading = setTimeout(() => say("Loading the sounds."), 1000);
  try {
    urls = await fetchSamples(place);
  } catch (error) {
    return hint(`The sounds cannot be loaded: ${error.message}. Please reload the page.`);
  } finally {
    clearTimeout(loading);
  }
  say("");
  const practice = place < test.training;
  const [n, of] = practice ? [place + 1, test.training] : [place - test.training + 1, test.trials - test.training];
  element("trial-title").textContent = `${practice ? "Practice" : "Trial"} ${n} of ${of}`;
  element("practice").hidden = !practice;
  element("question").textContent = test.question;
  players = urls.map((url, sample) => makePlayer(url, test.samples[sample]));
  element("samples").replaceChildren(...players.map((player) => player.row));
  element("choices").replaceChildren(...test.choices.map(makeChoice));
  shownAt = performance.now();
  show("trial");
  const following = firstOpen(place + 1);
  if (following !== null) fetchSamples(following).catch(() => samples.delete(following));
}

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function makePlayer(url, name) {
  const audio = new Audio(url);
  const button = make("button", { type: "button", textContent: `Play ${name}` });
  const bar = make("progress", { max: 1, value: 0, ariaLabel: `${name}, how far played` });
  const mark = make("span", { className: "heard" });
  const row = make("div", { className: "sample" }, make("div", { className: "player" }, button, bar, mark));
  const player = { audio, button, row, name, heard: false, slider: null };
  const heard = () => {
    player.heard = true;
    mark.textContent = "✓ heard";
  };
  button.addEventListener("click", () => {
    hint("");
    if (!audio.paused) return audio.pause();
    const playing = players.find((other) => !other.audio.paused);
    for (const other of players) other.audio.pause();
    if (!test.choices.length && playing) audio.currentTime = playing.audio.currentTime; // MUSHRA: switch in mid-word
    else if (!test.choices.length || audio.ended) audio.currentTime = 0;
    return audio.play().catch(() => {});
  });
  const update = () => {
    button.textContent = `${audio.paused ? "Play" : "Pause"} ${name}`;
    button.classList.toggle("playing", !audio.paused);
  };
  audio.addEventListener("play", update);
  audio.addEventListener("pause", update);
  audio.addEventListener("timeupdate", () => (bar.value = audio.duration ? audio.currentTime / audio.duration : 0));
  audio.addEventListener("error", () => hint(`This browser cannot play ${name}.`));
  // a slider's sample is judged while switching; one choice for all, after all were heard to the end
  audio.addEventListener(test.choices.length ? "ended" : "play", heard);
  if (!test.choices.length && name !== test.samples[0]) row.append(makeSlider(player));
  return player;
}

function makeSlider(player) {
  const slider = make("input", { type: "range", min: 0, max: 100, value: 50, id: `slider ${player.name}` });
  const output = make("output", { textContent: "–" });
  slider.setAttribute("aria-label", `${player.name}, from 0, bad, to 100, excellent`);
  slider.setAttribute("aria-valuetext", "not rated yet");
  player.slider = slider;
  slider.addEventListener("input", () => {
    slider.dataset.moved = "yes";
    output.textContent = slider.value;
    slider.setAttribute("aria-valuetext", `${slider.value}, ${BANDS[Math.min(4, Math.floor(slider.value / 20))]}`);
  });
  const bands = make("div", { className: "bands", ariaHidden: "true" }, ...BANDS.map((band) => make("span", {}, band)));
  return make("div", { className: "slider" }, slider, output, bands);
}

function makeChoice({ score, label }) {
  const input = make("input", { type: "radio", name: "score", value: score });
  const number = test.choices.length === 5 ? [make("b", {}, String(score))] : [];
  return make("label", { className: "choice" }, input, ...number, label);
}

// The scores, or what is still to do and where.
function answer() {
  const unheard = players.find((player) => !player.heard);
  if (unheard) return { missing: `Please listen to ${unheard.name} first.`, at: unheard.button };
  if (!test.choices.length) {
    const rated = players.filter((player) => player.slider);
    const open = rated.find((player) => !player.slider.dataset.moved);
    if (open) return { missing: `Please move the slider of ${open.name}.`, at: open.slider };
    return { scores: rated.map((player) => Number(player.slider.value)) };
  }
  const chosen = document.querySelector("input[name=score]:checked");
  if (!chosen) return { missing: "Please choose an answer.", at: document.querySelector("input[name=score]") };
  return { scores: [Number(chosen.value)] };
}

element("answer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (test.done.has(place)) return null; // a second click, while the next sounds are loaded
  const { scores, missing, at } = answer();
  if (missing) {
    hint(missing);
    return at.focus();
  }
  const seconds = Math.round(performance.now() - shownAt) / 1000;
  queue.push({ trial: place, key: newKey(), scores, seconds });
  store.set("queue", queue);
  test.done.add(place);
  send();
  return next();
});

element("answer").addEventListener("input", () => hint(""));

element("consent").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!element("agree").checked) {
    hint("Please tick the box if you want to take part.");
    return element("agree").focus();
  }
  hint("");
  const button = event.submitter;
  button.disabled = true; // a second click would begin twice
  await begin();
  button.disabled = false;
});

async function finish() {
  element("end-text").textContent = "Your last answers are being sent. Please keep this page open.";
  show("end");
  await send();
  element("end-text").textContent = "All your answers are stored. You may close this page.";
}

if (token) resume();
else show("welcome");
