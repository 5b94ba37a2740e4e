// Every text of the page, one table for each language: to translate the page, add a table.

export const TEXTS = {
  en: {
    tabs: "What to do",
    speak: "Speak",
    read: "Transcribe",
    captions: "Captions",
    sing: "Sing",
    footer: "Speech and transcripts are made on the computer that runs this server; nothing is sent elsewhere.",

    textToSpeak: "Text",
    textExample: "Every sound of this sentence was made at once, and not one after the other.",
    characters: "{n} of {most} characters",
    voice: "Voice",
    speed: "Speed",
    pitch: "Pitch",
    times: "{x}×",
    semitones: "{n} semitones",
    speakNow: "Speak",
    stop: "Stop",
    format: "Format",
    download: "Download",
    nothingToSpeak: "Write a text first.",

    play: "Play",
    pause: "Pause",
    position: "Position",
    ofSeconds: "{at} of {all}",
    words: "Words: choose one to hear it",

    dropRecording: "Drop a recording here, or choose a file",
    dropRecordingHint: "Sound or video. It stays on the computer that runs speechnar.",
    expected: "Names and rare words",
    expectedHint: "Separated by commas: they are recognized more readily.",
    reading: "Transcribing {name}",
    readingSeconds: "Transcribing {name}: {at}",
    cancel: "Cancel",
    summary: "{words} words in {seconds}",
    noSpeech: "No speech was found.",
    edit: "Edit",
    editDone: "Done",
    segment: "Play from {at}",
    textOf: "Text at {at}",
    export: "Save .{kind}",

    startListening: "Start listening",
    stopListening: "Stop listening",
    captionsHint: "What the microphone hears appears here while it is spoken.",
    listening: "Listening. Speak English.",
    stopped: "Stopped.",
    noMicrophone: "The microphone cannot be used: {why}. Allow it in the settings of the browser.",
    needsSecure: "A browser gives the microphone only to pages from this computer or over https.",
    connectionLost: "The connection to the server was lost.",
    size: "Text size",
    clear: "Clear",

    dropScore: "Drop a score with lyrics here, or choose a file",
    dropScoreHint: "MusicXML, MIDI with lyrics, UTAU, OpenUtau or DiffSinger.",
    part: "Part",
    tempo: "Tempo",
    singNow: "Sing",
    sungAt: "{part}, {seconds}",
    sungMoved: "{part}, {seconds}, moved by {n} semitones into the range of the voice",
    doubts: "Doubts about the score: {n}",

    keyTitle: "API key",
    keyHint: "This server asks for a key. It is kept until you close this tab.",
    key: "Key",
    ok: "OK",
    serverGone: "The server does not answer. Is it running?",
    tryLater: "The server is busy; try again in {n} seconds.",
    failed: "The server answered with an error ({status}).",
  },
};

const wanted = navigator.languages.map((name) => name.split("-")[0]).find((name) => name in TEXTS) || "en";

/** Return a text with its gaps filled: text("summary", {words: 3, seconds: "2.0 s"}). */
export function text(name, gaps = {}) {
  const found = TEXTS[wanted][name] ?? TEXTS.en[name];
  return found.replace(/\{(\w+)\}/g, (_, gap) => String(gaps[gap]));
}

/** Write all texts into the page. */
export function translate() {
  document.documentElement.lang = wanted;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
}
