// Live captions from the microphone.

import { key } from "./api.js";
import { element } from "./player.js";
import { addExports } from "./read.js";
import { text } from "./texts.js";

const MOST = 200; // captions that stay on the board; all of them can be saved
const at = (name) => document.getElementById(`captions-${name}`);

export function start() {
  const level = document.querySelector("#captions-level i");
  const [stable, partial] = document.querySelectorAll("#captions-now span");
  let segments = [];
  let going = null; // {stream, context, socket} while it listens

  async function listen() {
    at("alarm").textContent = "";
    if (!navigator.mediaDevices) {
      at("alarm").textContent = text("needsSecure");
      return;
    }
    const own = (going = {});
    mark(true);
    try {
      own.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
      own.context = new AudioContext();
      await own.context.audioWorklet.addModule("/page/capture.js");
    } catch (error) {
      at("alarm").textContent = text("noMicrophone", { why: error.message });
      stop(own);
      return;
    }
    if (going !== own) return stop(own); // it was stopped meanwhile
    const url = new URL(`/v1/live?sample_rate=${own.context.sampleRate}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    own.socket = new WebSocket(url, ["live", ...(key() ? [`openai-insecure-api-key.${key()}`] : [])]);
    own.socket.addEventListener("open", () => {
      const node = new AudioWorkletNode(own.context, "capture");
      node.port.onmessage = ({ data }) => {
        const peak = new Int16Array(data).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        level.style.transform = `scaleX(${Math.sqrt(peak / 32768)})`;
        if (own.socket.readyState === WebSocket.OPEN) own.socket.send(data);
      };
      own.context.createMediaStreamSource(own.stream).connect(node);
      at("state").textContent = text("listening");
    });
    own.socket.addEventListener("message", ({ data }) => show(JSON.parse(data)));
    own.socket.addEventListener("close", ({ code }) => {
      if (going === own && code !== 1000 && !at("alarm").textContent) at("alarm").textContent = text("connectionLost");
      stop(own);
    });
  }

  function show(event) {
    const board = at("board");
    const below = board.scrollHeight - board.scrollTop - board.clientHeight < 40;
    if (event.type === "partial") {
      stable.textContent = event.stable;
      partial.textContent = event.partial;
    } else if (event.type === "final") {
      stable.textContent = partial.textContent = "";
      if (event.text) {
        segments.push(event);
        at("final").append(element("p", { textContent: event.text }));
        if (at("final").childElementCount > MOST) at("final").firstElementChild.remove();
        at("exports").hidden = false;
      }
    } else if (event.type === "error") at("alarm").textContent = event.message;
    if (below) board.scrollTop = board.scrollHeight;
  }

  function mark(on) {
    at("go").textContent = text(on ? "stopListening" : "startListening");
    at("go").classList.toggle("playing", on);
  }

  /** Give the microphone back. The server is told of the end, and its last words are shown. */
  function stop(own) {
    own.stream?.getTracks().forEach((track) => track.stop());
    if (own.context?.state !== "closed") own.context?.close();
    if (own.socket?.readyState === WebSocket.OPEN) own.socket.send(JSON.stringify({ type: "end" }));
    level.style.transform = "scaleX(0)";
    if (going !== own) return;
    going = null;
    mark(false);
    at("state").textContent = text("stopped");
  }

  at("go").addEventListener("click", () => (going ? stop(going) : listen()));
  at("size").addEventListener("input", () => at("board").style.setProperty("--size", `${at("size").value}rem`));
  at("clear").addEventListener("click", () => {
    segments = [];
    at("final").replaceChildren();
    at("exports").hidden = true;
    at("go").focus();
  });
  addExports(at("exports"), at("alarm"), () => ({ segments, duration: segments.at(-1).end, name: "captions" }));
}
