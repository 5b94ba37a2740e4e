// Drop a score and hear it sung.

import { ask, events, samplesOf, save } from "./api.js";
import { Player, clock, element } from "./player.js";
import { takeFiles } from "./read.js";
import { fail } from "./speak.js";
import { text } from "./texts.js";
import { Words } from "./words.js";

const at = (name) => document.getElementById(`sing-${name}`);

export function start() {
  const words = new Words(at("words"), (seconds) => {
    player.seek(seconds);
    if (!player.playing) player.play();
  });
  const player = new Player(at("player"), (seconds) => words.show(seconds));
  let going = null;
  let file = null;

  async function sing() {
    going?.abort();
    const own = (going = new AbortController());
    at("alarm").textContent = "";
    player.clear();
    words.clear();
    at("stop").hidden = false;
    player.play();
    const body = new FormData();
    body.append("file", file);
    body.append("voice", at("voice").value);
    body.append("part", at("part").value);
    body.append("tempo", at("tempo").value);
    body.append("response_format", "pcm");
    body.append("stream_format", "sse");
    body.append("timings", "true");
    try {
      const answer = await ask("/v1/audio/songs", { method: "POST", body, signal: own.signal });
      for await (const event of events(answer)) {
        if (event.type === "song.created") show(event);
        if (event.type === "speech.audio.delta") player.append(samplesOf(event));
        if (event.type === "speech.audio.words") {
          for (const { word, start, end } of event.words) {
            words.add(word, start, end);
            words.place.append(" ");
          }
        }
      }
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
  }

  function show(song) {
    at("result").hidden = false;
    at("form").hidden = false;
    player.expected = song.seconds;
    at("title").textContent = song.title || file.name.replace(/\.[^.]*$/, "");
    const gaps = { part: song.part, seconds: clock(song.seconds), n: song.transpose > 0 ? `+${song.transpose}` : song.transpose };
    at("about").textContent = text(song.transpose ? "sungMoved" : "sungAt", gaps);
    at("part").replaceChildren(...song.parts.map((name) => new Option(name, name, name === song.part, name === song.part)));
    at("doubts").hidden = !song.doubts.length;
    at("doubts").querySelector("summary").textContent = text("doubts", { n: song.doubts.length });
    at("doubts").querySelector("ul").replaceChildren(...song.doubts.map((doubt) => element("li", { textContent: doubt })));
  }

  const tempo = () => (at("tempo-shown").textContent = text("times", { x: Number(at("tempo").value).toFixed(2) }));
  at("tempo").addEventListener("input", tempo);
  tempo();
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    sing();
  });
  at("stop").addEventListener("click", () => {
    going?.abort();
    player.pause();
    at("go").focus();
  });
  at("download").addEventListener("click", () => save(player.wav(), `${file.name.replace(/\.[^.]*$/, "")}.wav`));
  takeFiles(at("drop"), at("file"), (given) => {
    file = given;
    at("part").replaceChildren();
    sing();
  });
}
