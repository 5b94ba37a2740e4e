// Runs beside the page's thread: collects the microphone's samples, a tenth of a second at a time.

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.round(sampleRate / 10));
    this.size = 0;
  }

  process([channels]) {
    const length = channels.length ? channels[0].length : 0;
    for (let n = 0; n < length; n++) {
      let sum = 0;
      for (const channel of channels) sum += channel[n];
      this.samples[this.size++] = Math.round(Math.max(-1, Math.min(1, sum / channels.length)) * 32767);
      if (this.size === this.samples.length) {
        this.port.postMessage(this.samples.buffer.slice(0));
        this.size = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
