// What the page asks of the server.

import { text } from "./texts.js";

const KEY = "speechnar-key";

export class ApiError extends Error {}

/** Return the API key that was given in this tab, or "". */
export function key() {
  return sessionStorage.getItem(KEY) || "";
}

/** Ask for an API key; resolve to whether one was given. */
function askForKey() {
  const dialog = document.getElementById("key");
  const value = document.getElementById("key-value");
  value.value = dialog.returnValue = "";
  document.getElementById("key-cancel").onclick = () => dialog.close();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "ok" && value.value.trim() !== "";
        if (given) sessionStorage.setItem(KEY, value.value.trim());
        resolve(given);
      },
      { once: true },
    );
  });
}

/** Fetch, and ask for an API key where one is needed. Throws ApiError with the sentence of the server. */
export async function ask(path, options = {}) {
  for (;;) {
    const headers = { ...options.headers, ...(key() ? { Authorization: `Bearer ${key()}` } : {}) };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(text("serverGone"));
    }
    if (answer.ok) return answer;
    if (answer.status === 401 && (await askForKey())) continue;
    if (answer.headers.has("Retry-After")) throw new ApiError(text("tryLater", { n: answer.headers.get("Retry-After") }));
    const body = await answer.json().catch(() => null);
    throw new ApiError(body?.error?.message ?? text("failed", { status: answer.status }));
  }
}

/** Yield the events of an answer, parsed. */
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) yield JSON.parse(part.replace(/^data: /, ""));
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(text("connectionLost"));
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Return the samples of an audio event: Float32Array in [-1, 1). */
export function samplesOf(event) {
  const bytes = Uint8Array.from(atob(event.audio), (c) => c.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
}

/** Fill a select with the voices of the server. */
export async function fillVoices(...selects) {
  const { voices } = await (await ask("/v1/audio/voices")).json();
  for (const select of selects) select.replaceChildren(...voices.map(({ id, name }) => new Option(name, id)));
}

/** Save data as a file on the reader's computer. */
export function save(data, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
