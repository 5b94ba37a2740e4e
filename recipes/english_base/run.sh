#!/usr/bin/env bash
# The recognizer `english_base`, from corpora and Whisper base to a recognizer folder in exp/english_base. README.md
# says what each stage does.
#
#     ./run.sh --corpora DIR [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpora= #: DIR, the corpora as published: LibriSpeech, CMU Arctic, Kathleen, LJSpeech and AN4
parse_options "$@"

shared=../../../shared/data # the corpora, packed, if they are there

prepare() {
  if [[ -z $corpora && -d $shared/librispeech ]]; then
    corpora=data/corpora
    for name in librispeech an4 arctic kathleen ljspeech; do
      python "$shared/unpack.py" "$name" "$corpora/$name"
    done
  fi
  python local/prepare.py "${corpora:?give the corpora: ./run.sh --corpora DIR}" data
}
speak() { python local/speak.py data exp/spoken; }
start() { python local/start.py exp/start; }
encode() { python local/encode.py conf/draft.yaml exp/start data exp/encoded; }
draft() { python local/train.py conf/draft.yaml exp/start exp/encoded exp/draft; }
decoder() { python local/train.py conf/decoder.yaml exp/start exp/encoded exp/decoder; }
round_weights() {
  python local/join.py exp/draft exp/decoder exp/joined
  python local/round.py exp/joined data exp/recognizer
}
export_recognizer() {
  cp conf/card.yaml exp/recognizer/recognizer.yaml
  speechnar export exp/recognizer exp/english_base
}
evaluate() {
  for split in test_other test_read; do
    python local/transcribe.py exp/english_base "data/$split.tsv" "exp/evaluation/$split"
    (cd "exp/evaluation/$split" &&
      speechnar evaluate wer --ref ref.tsv --hyp hyp.tsv --utt2spk utt2spk --normalizer whisper)
  done
}

run_stages exp "prepare: corpora" speak: start: encode: draft: decoder: round_weights: export_recognizer: evaluate:
