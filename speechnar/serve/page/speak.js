// Type and hear.

import { ApiError, ask, events, fillVoices, samplesOf, save } from "./api.js";
import { Player } from "./player.js";
import { text } from "./texts.js";
import { Words } from "./words.js";

const MOST = 10000; // characters, the server's default
const at = (name) => document.getElementById(`speak-${name}`);

export function start() {
  const words = new Words(at("words"), (seconds) => {
    player.seek(seconds);
    if (!player.playing) player.play();
  });
  const player = new Player(at("player"), (seconds) => words.show(seconds));
  let going = null; // the request that is being answered
  let last = null; // the body of the one that was

  at("text").value = text("textExample");
  const count = () => (at("count").textContent = text("characters", { n: at("text").value.length, most: MOST }));
  const settings = () => {
    at("speed-shown").textContent = text("times", { x: Number(at("speed").value).toFixed(2) });
    const pitch = Number(at("pitch").value);
    at("pitch-shown").textContent = text("semitones", { n: pitch > 0 ? `+${pitch}` : pitch });
  };
  at("text").addEventListener("input", count);
  at("speed").addEventListener("input", settings);
  at("pitch").addEventListener("input", settings);
  at("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit();
  });
  count();
  settings();

  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    going?.abort();
    const own = (going = new AbortController());
    at("alarm").textContent = "";
    const input = at("text").value;
    if (!input.trim()) {
      at("alarm").textContent = text("nothingToSpeak");
      return;
    }
    last = { input, voice: at("voice").value, speed: Number(at("speed").value), pitch: Number(at("pitch").value) };
    player.clear();
    words.clear();
    at("result").hidden = false;
    at("stop").hidden = false;
    player.play(); // in the gesture of the user, without which browsers play nothing
    let written = 0;
    try {
      const body = { ...last, response_format: "pcm", stream_format: "sse", timings: true };
      for await (const event of events(await post(body, own.signal))) {
        if (event.type === "speech.audio.words") written = addWords(words, event.words, input, written);
        if (event.type === "speech.audio.delta") player.append(samplesOf(event));
      }
      at("words").append(input.slice(written));
    } catch (error) {
      fail(error, at("alarm"));
      if (!player.length) at("result").hidden = true;
    } finally {
      if (going === own) {
        player.finish();
        at("stop").hidden = true;
        going = null;
      }
    }
  });
  at("stop").addEventListener("click", () => {
    going?.abort();
    player.pause();
    at("go").focus();
  });
  at("download").addEventListener("click", async () => {
    const format = at("format").value;
    at("alarm").textContent = "";
    try {
      if (format === "wav") save(player.wav(), "speech.wav");
      else save(await (await post({ ...last, response_format: format })).blob(), `speech.${format}`);
    } catch (error) {
      fail(error, at("alarm"));
    }
  });
  fillVoices(at("voice"), document.getElementById("sing-voice")).catch((error) => fail(error, at("alarm")));
}

function post(body, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask("/v1/audio/speech", { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Show the words of a sentence where they are written in the text; return the offset up to which it is shown. */
function addWords(words, given, input, written) {
  const letters = Array.from(input); // offsets count characters, not UTF-16 units
  const offset = (n) => letters.slice(0, n).join("").length;
  for (const { word, start, end, span } of given) {
    const [from, to] = span ? [offset(span[0]), offset(span[1])] : [written, written];
    if (span && from < written) continue; // several spoken words that are written as one, such as a number
    words.place.append(input.slice(written, from));
    words.add(span ? input.slice(from, to) : word, start, end);
    if (!span) words.place.append(" ");
    written = to;
  }
  return written;
}

/** Show an error, unless the user broke the work off. */
export function fail(error, place) {
  if (error.name === "AbortError") return;
  if (!(error instanceof ApiError)) console.error(error);
  place.textContent = error.message;
}
