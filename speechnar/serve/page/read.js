// Drop a recording and read it.

import { ask, events, save } from "./api.js";
import { clock, element } from "./player.js";
import { fail } from "./speak.js";
import { edited, segmentsOf } from "./subtitles.js";
import { text } from "./texts.js";
import { Words } from "./words.js";

const at = (name) => document.getElementById(`read-${name}`);

export function start() {
  const audio = at("audio");
  const words = new Words(at("transcript"), hear);
  let going = null;
  let segments = [];
  let duration = 0; // seconds
  let name = "transcript";

  function hear(seconds) {
    if (audio.hidden) return;
    audio.currentTime = seconds;
    audio.play().catch(() => {});
  }
  const follow = () => {
    words.show(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", follow);
  audio.addEventListener("error", () => (audio.hidden = true)); // a format that the browser does not play

  async function read(file) {
    going?.abort();
    const own = (going = new AbortController());
    at("alarm").textContent = "";
    at("result").hidden = true;
    at("working").hidden = false;
    at("progress").removeAttribute("value");
    at("doing").textContent = text("reading", { name: file.name });
    URL.revokeObjectURL(audio.src);
    audio.hidden = false;
    audio.src = URL.createObjectURL(file);
    const body = new FormData();
    body.append("file", file);
    body.append("stream", "true");
    body.append("progress", "true");
    body.append("prompt", at("expected").value);
    try {
      const answer = await ask("/v1/audio/transcriptions", { method: "POST", body, signal: own.signal });
      for await (const event of events(answer)) {
        if (event.type === "transcript.progress") {
          at("doing").textContent = text("readingSeconds", { name: file.name, at: clock(event.seconds) });
          if (Number.isFinite(audio.duration)) at("progress").value = Math.min(event.seconds / audio.duration, 1);
        } else if (event.type === "transcript.text.done") {
          segments = segmentsOf(event);
          duration = event.duration;
          name = file.name.replace(/\.[^.]*$/, "");
          at("result").hidden = false;
          const count = segments.reduce((sum, segment) => sum + segment.words.length, 0);
          at("summary").textContent = count ? text("summary", { words: count, seconds: clock(event.duration) }) : text("noSpeech");
          at("exports").hidden = !count;
          edit(false);
        }
      }
    } catch (error) {
      fail(error, at("alarm"));
    } finally {
      if (going === own) at("working").hidden = true;
    }
  }

  /** Show the transcript, to be read or to be edited. */
  function edit(on) {
    const place = at("transcript");
    if (!on) {
      const fields = [...place.querySelectorAll("textarea")];
      if (fields.length) segments = segments.map((segment, n) => edited(segment, fields[n].value)).filter((s) => s.words.length);
    }
    at("edit").setAttribute("aria-pressed", String(on));
    at("edit").textContent = text(on ? "editDone" : "edit");
    words.clear();
    for (const segment of segments) {
      const row = element("div", { className: "row" });
      const time = element("button", { type: "button", className: "stamp", textContent: clock(segment.start) });
      time.setAttribute("aria-label", text("segment", { at: clock(segment.start) }));
      time.addEventListener("click", () => hear(segment.start));
      row.append(time);
      if (on) {
        const field = element("textarea", { value: segment.text, rows: Math.ceil(segment.text.length / 60) || 1 });
        field.setAttribute("aria-label", text("textOf", { at: clock(segment.start) }));
        row.append(field);
      } else {
        const line = element("p");
        for (const { word, start, end } of segment.words) {
          words.add(word, start, end, line);
          line.append(" ");
        }
        row.append(line);
      }
      place.append(row);
    }
  }
  at("edit").addEventListener("click", () => edit(at("edit").getAttribute("aria-pressed") !== "true"));
  addExports(at("exports"), at("alarm"), () => {
    if (at("edit").getAttribute("aria-pressed") === "true") edit(false);
    return { segments, duration, name };
  });
  at("cancel").addEventListener("click", () => {
    going?.abort();
    at("file").value = "";
  });
  takeFiles(at("drop"), at("file"), read);
}

/** Add a button for each format of subtitles; `now()` returns {segments, duration, name}. */
export function addExports(place, alarm, now) {
  for (const kind of ["srt", "vtt", "txt"]) {
    const button = element("button", { type: "button", textContent: text("export", { kind }) });
    button.addEventListener("click", async () => {
      const { segments, duration, name } = now();
      const words = segments.flatMap((segment) => segment.words);
      const body = JSON.stringify({ words, duration, format: kind });
      const headers = { "Content-Type": "application/json" };
      alarm.textContent = "";
      try {
        const answer = await ask("/v1/audio/subtitles", { method: "POST", headers, body });
        save(await answer.blob(), `${name}.${kind}`);
      } catch (error) {
        fail(error, alarm);
      }
    });
    place.append(button);
  }
}

/** Call `take(file)` for a file that is dropped on a place or chosen in its field. */
export function takeFiles(place, field, take) {
  field.addEventListener("change", () => field.files[0] && take(field.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}
