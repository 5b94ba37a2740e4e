#!/usr/bin/env bash
# A model with which the voice `heart` sings, from speech that is made into singing, or from a corpus of songs.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=speech #: speech|opencpop|csd|kiritan|nnsvs, what to learn from: speech is that of recipes/heart
songs=        #: DIR, the corpus of songs, unpacked
voice=heart   #: NAME, the voice that is to sing, or its folder
copies=1      #: N, songs that are made of each utterance
scores=       #: DIR, scores on which the voice is evaluated
parse_options "$@"
if [[ $corpus != speech && ! $songs ]]; then
  fail "--songs is missing: name the folder of the corpus $corpus"
fi

train=data/$corpus/train.jsonl
dev=data/$corpus/dev.jsonl
exp=exp/$corpus
splits=(--features "$exp/features" --train "$train" --dev "$dev")

restore() { rm -rf "$exp/voice" && speechnar restore "$voice" "$exp/voice"; }
prepare() {
  if [[ $corpus != speech ]]; then
    python local/corpora.py "$corpus" "$songs" "data/$corpus" --audio conf/audio.yaml
    return
  fi
  [[ -e ../heart/data/train.jsonl.gz ]] || fail "run ../heart/run.sh --stop-stage prepare first, for its speech"
  local split
  for split in train dev; do
    (cd ../heart && python "$OLDPWD/local/sung_speech.py" "data/$split.jsonl.gz" "$OLDPWD/data/speech/$split" \
      --copies "$copies" --lag 0.0375 --jobs "$nj")
    cp "data/speech/$split/cuts.jsonl" "data/speech/$split.jsonl"
  done
}
features() {
  if [[ $corpus == speech ]]; then # every phone that the voice knows, also those that no song has
    mkdir -p "$exp/features"
    cp "$exp/voice/acoustic/tokens.txt" "$exp/features"
  fi
  speechnar features "$train" "$dev" "$exp/features" --audio conf/audio.yaml --jobs "$nj"
}
acoustic() { train_model acoustic conf/acoustic.yaml "${splits[@]}" --init "$exp/voice/acoustic" --out "$exp/acoustic"; }
vocoder() { train_model vocoder conf/vocoder.yaml "${splits[@]}" --init "$exp/voice/vocoder" --out "$exp/vocoder"; }
export_voice() {
  mkdir -p "$exp/voice/singing" "$exp/voice/singing_vocoder"
  cp "$exp/acoustic"/{config.yaml,tokens.txt,model.safetensors} "$exp/voice/singing"
  cp "$exp/vocoder"/{config.yaml,model.safetensors} "$exp/voice/singing_vocoder"
  speechnar export "$exp/voice" "$exp/sung"
}
evaluate() {
  if [[ $scores ]]; then
    speechnar evaluate singing "$scores" --voice "$exp/sung" --predictor distillmos --out "$exp/evaluation"
  else
    speechnar sing ../../egs/mini_singing/tune.musicxml -o "$exp/tune.wav" --voice "$exp/sung"
  fi
}

run_stages "$exp" \
  "restore: voice" \
  "prepare: corpus copies" \
  "features: $train $dev conf/audio.yaml" \
  "acoustic: max_steps $train $dev conf/acoustic.yaml" \
  "vocoder: max_steps $train $dev conf/vocoder.yaml" \
  "export_voice:" \
  "evaluate: scores"
