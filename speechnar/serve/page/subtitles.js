// A transcript that is edited: segments of words, {text, start, end, words: [{word, start, end}]}.

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
