// A transcript that is edited and saved: segments of words, {text, start, end, words: [{word, start, end}]}.

const LINE = 42; // characters, as broadcasters keep them; a cue has two lines

/** Return the segments of a transcript in the `verbose_json` form. */
export function segmentsOf({ segments, words }) {
  return segments.map(({ text, start, end }) => ({
    text: text.trim(),
    start,
    end,
    words: words.filter((word) => word.start >= start - 1e-6 && word.start < end),
  }));
}

/** Return a segment with another text: words that stay keep their times, new ones share the time between. */
export function edited(segment, text) {
  const given = text.split(/\s+/).filter(Boolean);
  const old = segment.words;
  const same = (a, b) => plain(a) === plain(b);
  const longest = Array.from({ length: given.length + 1 }, () => new Uint32Array(old.length + 1));
  for (let i = given.length - 1; i >= 0; i--) {
    for (let j = old.length - 1; j >= 0; j--) {
      longest[i][j] = same(given[i], old[j].word) ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  const words = given.map((word) => ({ word }));
  for (let i = 0, j = 0; i < given.length && j < old.length; ) {
    if (same(given[i], old[j].word)) Object.assign(words[i++], { start: old[j].start, end: old[j++].end });
    else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  }
  for (let i = 0; i < words.length; i++) {
    if (words[i].start !== undefined) continue;
    let next = i;
    while (next < words.length && words[next].start === undefined) next++;
    const from = i ? words[i - 1].end : segment.start;
    const until = next < words.length ? words[next].start : segment.end;
    const step = Math.max(until - from, 0) / (next - i);
    for (let n = i; n < next; n++) Object.assign(words[n], { start: from + (n - i) * step, end: from + (n - i + 1) * step });
    i = next;
  }
  return { ...segment, text: given.join(" "), words };
}

function plain(word) {
  return word.toLowerCase().replace(/^\P{L}+|\P{L}+$/gu, "") || word;
}

/** Return cues of at most two lines: {text, start, end}. */
function cues(segments) {
  const found = [];
  for (const segment of segments) {
    let cue = null;
    for (const { word, start, end } of segment.words) {
      if (cue && cue.text.length + 1 + word.length > 2 * LINE) cue = null;
      if (cue) Object.assign(cue, { text: `${cue.text} ${word}`, end });
      else found.push((cue = { text: word, start, end }));
    }
  }
  return found;
}

function inLines(text) {
  if (text.length <= LINE) return text;
  const spaces = [...text.matchAll(/ /g)].map((match) => match.index);
  if (!spaces.length) return text;
  const middle = spaces.reduce((best, at) => (Math.abs(2 * at - text.length) < Math.abs(2 * best - text.length) ? at : best));
  return `${text.slice(0, middle)}\n${text.slice(middle + 1)}`;
}

function stamp(seconds, mark) {
  const all = Math.round(seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  const rest = String(all % 1000).padStart(3, "0");
  return `${two(Math.floor(all / 3600000))}:${two(Math.floor(all / 60000) % 60)}:${two(Math.floor(all / 1000) % 60)}${mark}${rest}`;
}

function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

export const WRITERS = {
  txt: (segments) => segments.map(({ text }) => `${text}\n`).join(""),
  srt: (segments) =>
    cues(segments)
      .map((cue, n) => `${n + 1}\n${stamp(cue.start, ",")} --> ${stamp(cue.end, ",")}\n${inLines(cue.text)}\n`)
      .join("\n"),
  vtt: (segments) =>
    "WEBVTT\n" +
    cues(segments)
      .map((cue) => `\n${stamp(cue.start, ".")} --> ${stamp(cue.end, ".")}\n${escaped(inLines(cue.text))}\n`)
      .join(""),
};
