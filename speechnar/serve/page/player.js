// Plays audio while it arrives, and draws it.

import { text } from "./texts.js";

const RATE = 24000; // Hz
const LEAD = 0.06; // seconds between now and the first sample, for the scheduler

/** Return seconds as a clock shows them: 1:05. */
export function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

/** A button, a waveform and a slider; calls `moved(seconds)` while the position changes. */
export class Player {
  constructor(place, moved) {
    this.place = place;
    this.moved = moved;
    this.button = element("button", { type: "button", className: "play" });
    this.canvas = element("canvas", { className: "wave" });
    this.canvas.setAttribute("aria-hidden", "true");
    this.slider = element("input", { type: "range", min: 0, max: 0, step: 0.01, value: 0, className: "seek" });
    this.slider.setAttribute("aria-label", text("position"));
    this.time = element("span", { className: "time" });
    const wave = element("div", { className: "waves" });
    wave.append(this.canvas, this.slider);
    place.replaceChildren(this.button, wave, this.time);
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.clear();
  }

  /** Forget all audio. */
  clear() {
    this.halt();
    this.pieces = [];
    this.length = 0; // samples
    this.expected = 0; // seconds, where the length is known before
    this.at = 0; // seconds, where it stands
    this.complete = false;
    this.peaks = [];
    this.show();
  }

  get duration() {
    return this.length / RATE;
  }

  /** Add samples, and play them when their time has come. */
  append(samples) {
    const from = this.length;
    this.pieces.push({ from, samples });
    this.length += samples.length;
    const step = RATE / 100; // a peak for each hundredth of a second
    for (let start = from; start < this.length; start += step - (start % step)) {
      const bin = Math.floor(start / step);
      let peak = this.peaks[bin] || 0;
      for (let n = start; n < Math.min(this.length, (bin + 1) * step); n++) peak = Math.max(peak, Math.abs(samples[n - from]));
      this.peaks[bin] = peak;
    }
    if (this.playing) this.schedule(samples, from);
    this.show();
  }

  /** All samples are here. */
  finish() {
    this.complete = true;
    this.show();
  }

  async play() {
    if (this.complete && this.at >= this.duration - 0.01) this.at = 0;
    this.context ??= new AudioContext({ sampleRate: RATE });
    this.playing = true;
    this.context.resume();
    this.zero = this.context.currentTime + LEAD - this.at; // when the first sample of all would have sounded
    this.next = this.context.currentTime + LEAD;
    this.sources = [];
    for (const { from, samples } of this.pieces) this.schedule(samples, from);
    this.tick();
  }

  pause() {
    this.at = this.position();
    this.halt();
    this.show();
  }

  seek(seconds) {
    const playing = this.playing;
    this.halt();
    this.at = Math.max(0, Math.min(seconds, this.duration));
    if (playing) this.play();
    this.show();
  }

  halt() {
    for (const source of this.sources || []) source.stop();
    this.sources = [];
    this.playing = false;
    cancelAnimationFrame(this.frame);
  }

  schedule(samples, from) {
    const skip = Math.max(0, Math.round(this.at * RATE) - from);
    if (skip >= samples.length) return;
    const late = this.context.currentTime + 0.01 - this.next;
    if (late > 0) {
      this.zero += late; // audio came too late: what follows is moved
      this.next += late;
    }
    const buffer = this.context.createBuffer(1, samples.length - skip, RATE);
    buffer.copyToChannel(samples.subarray(skip), 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    source.start(this.next);
    this.next += buffer.duration;
    this.sources.push(source);
  }

  position() {
    if (!this.playing) return this.at;
    return Math.max(this.at, Math.min(this.context.currentTime - this.zero, this.duration));
  }

  tick() {
    if (this.complete && this.position() >= this.duration - 0.005) {
      this.at = this.duration;
      this.halt();
    } else if (this.playing) this.frame = requestAnimationFrame(() => this.tick());
    this.show();
  }

  show() {
    const at = this.position();
    const all = Math.max(this.duration, this.complete ? 0 : this.expected);
    this.button.textContent = text(this.playing ? "pause" : "play");
    this.button.classList.toggle("playing", this.playing);
    this.button.disabled = !this.length;
    this.slider.max = all;
    this.slider.value = at;
    const said = text("ofSeconds", { at: clock(at), all: clock(all) });
    this.slider.setAttribute("aria-valuetext", said);
    this.time.textContent = `${clock(at)} / ${clock(all)}`;
    this.draw(at, all);
    this.moved(at);
  }

  draw(at = this.position(), all = Math.max(this.duration, this.complete ? 0 : this.expected)) {
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (!width) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const style = getComputedStyle(this.canvas);
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const bar = 3 * scale;
    const count = Math.floor(width / bar);
    const perBar = Math.max((all * 100) / count, 1e-9);
    const loudest = this.peaks.reduce((most, peak) => Math.max(most, peak), 0.1);
    for (let n = 0; n < count; n++) {
      const first = Math.floor(n * perBar);
      if (first >= this.peaks.length) break;
      let peak = 0;
      for (let m = first; m < Math.max(first + 1, (n + 1) * perBar) && m < this.peaks.length; m++) peak = Math.max(peak, this.peaks[m]);
      const tall = Math.max(2 * scale, (peak / loudest) * height);
      pen.fillStyle = n * perBar < at * 100 ? style.getPropertyValue("--accent") : style.getPropertyValue("--wave");
      pen.beginPath();
      pen.roundRect(n * bar, (height - tall) / 2, bar - scale, tall, scale);
      pen.fill();
    }
  }

  /** Return a WAV file of all audio. */
  wav() {
    const data = new DataView(new ArrayBuffer(44 + 2 * this.length));
    const head = [0x52494646, 36 + 2 * this.length, 0x57415645, 0x666d7420, 16, 0x10001, RATE, 2 * RATE, 0x100002, 0x64617461, 2 * this.length];
    head.forEach((value, n) => data.setUint32(4 * n, value, ![0, 2, 3, 9].includes(n)));
    for (const { from, samples } of this.pieces) {
      samples.forEach((value, n) => data.setInt16(44 + 2 * (from + n), Math.round(value * 32768), true));
    }
    return new Blob([data.buffer], { type: "audio/wav" });
  }
}

/** Return a new element. */
export function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
