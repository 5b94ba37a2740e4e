#!/usr/bin/env bash
# The voice `heart` and three more speakers, from sentences to a voice folder in exp/heart. README.md says what each
# stage does.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"
sentences=280 #: N, sentences that each speaker but heart reads besides local/questions.tsv
decoder=plain #: plain|flow, also sample the mel and the prosody by flow matching
parse_options "$@"

shared=../../../shared/data # the corpus, packed, if it is there
train=data/train.jsonl.gz
dev=data/dev.jsonl.gz
splits=(--features exp/features --train "$train" --dev "$dev")

corpus() {
  if [[ -d $shared/heart ]]; then
    python "$shared/unpack.py" heart data/corpus
  fi
  if [[ ! -e data/package/voices/af_heart.bin ]]; then
    (cd data && npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz)
  fi
  if [[ ! -d $shared/heart ]]; then
    teach af_heart local/corpus.tsv data/corpus/heart
  fi
  teach af_heart local/{sentences,questions}.tsv data/corpus/extra
  teach_some 100 af_sarah data/corpus/sarah
  teach_some 101 am_michael data/corpus/michael
  teach_some 102 am_adam data/corpus/adam
}
teach() { # VOICE SENTENCES... OUT
  python local/teacher.py --voice "data/package/voices/$1.bin" --jobs "$nj" "${@:2}"
}
teach_some() { # SEED VOICE OUT
  teach "$2" local/{corpus,sentences}.tsv "$3" --seed "$1" --limit "$sentences"
  teach "$2" local/questions.tsv "$3"
}
prepare() {
  python local/prepare.py heart=data/corpus/heart heart=data/corpus/extra sarah=data/corpus/sarah \
    michael=data/corpus/michael adam=data/corpus/adam data
}
features() { speechnar features "$train" "$dev" exp/features --audio conf/audio.yaml --jobs "$nj"; }
acoustic() { train_model acoustic conf/acoustic.yaml "${splits[@]}" --out exp/acoustic; }
acoustic_adversarial() {
  train_model acoustic conf/acoustic_adversarial.yaml "${splits[@]}" --init exp/acoustic --out exp/acoustic_adversarial
}
vocoder() { train_model vocoder conf/vocoder.yaml "${splits[@]}" --out exp/vocoder; }
vocoder_adversarial() {
  train_model vocoder conf/vocoder_adversarial.yaml "${splits[@]}" --init exp/vocoder --out exp/vocoder_adversarial
}
vocoder_periods() {
  train_model vocoder conf/vocoder_periods.yaml "${splits[@]}" --init exp/vocoder --out exp/vocoder_periods
}
flow() {
  [[ $decoder == flow ]] || return 0
  train_model flow conf/flow.yaml "${splits[@]}" --acoustic exp/acoustic_adversarial --out exp/flow
  train_model flow conf/flow_adversarial.yaml "${splits[@]}" --acoustic exp/acoustic_adversarial --init exp/flow \
    --out exp/flow_adversarial
  train_model flow conf/prosody.yaml "${splits[@]}" --acoustic exp/acoustic_adversarial --out exp/prosody
}
average() { python local/average.py exp/vocoder_average exp/vocoder_adversarial exp/vocoder_periods; }
export_voice() {
  rm -rf exp/voice/flow exp/voice/prosody
  mkdir -p exp/voice/acoustic exp/voice/vocoder
  cp exp/acoustic_adversarial/{config.yaml,tokens.txt,model.safetensors} exp/voice/acoustic
  cp exp/vocoder_average/{config.yaml,model.safetensors} exp/voice/vocoder
  cp conf/voice.yaml exp/voice
  if [[ $decoder == flow ]]; then
    mkdir exp/voice/flow exp/voice/prosody
    cp exp/flow_adversarial/{config.yaml,model.safetensors} exp/voice/flow
    cp exp/prosody/{config.yaml,model.safetensors} exp/voice/prosody
  fi
  speechnar export exp/voice exp/heart
}
evaluate() { speechnar evaluate tts --voice exp/heart --text data/dev.tsv --out exp/evaluation; }

learning="max_steps $train $dev"
run_stages exp \
  "corpus: sentences local/corpus.tsv local/sentences.tsv local/questions.tsv" \
  "prepare:" \
  "features: $train $dev conf/audio.yaml" \
  "acoustic: $learning conf/acoustic.yaml" \
  "acoustic_adversarial: $learning conf/acoustic.yaml conf/acoustic_adversarial.yaml" \
  "vocoder: $learning conf/vocoder.yaml" \
  "vocoder_adversarial: $learning conf/vocoder.yaml conf/vocoder_adversarial.yaml" \
  "vocoder_periods: $learning conf/vocoder.yaml conf/vocoder_adversarial.yaml conf/vocoder_periods.yaml" \
  "average:" \
  "flow: $learning decoder conf/flow.yaml conf/flow_adversarial.yaml conf/prosody.yaml" \
  "export_voice: decoder conf/voice.yaml" \
  "evaluate: $dev"
