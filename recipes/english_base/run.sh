#!/usr/bin/env bash
# The recognizer `english_base`, from corpora and Whisper base to a recognizer folder in exp/english_base. README.md
# says what each stage does.
#
#     ./run.sh --corpora DIR [--stage N] [--stop-stage N]
#
# A stage that is done is skipped (exp/.N-NAME.done), until one before it is done again; --stage N starts with stage N,
# done or not. Training that was stopped goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh

stage="" stop_stage=8 corpora=""
while (($#)); do
  case $1 in
    --corpora) corpora=${2:?--corpora needs the folder of the corpora} ;;
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    *) echo "run.sh: unknown option $1; known are --corpora, --stage and --stop-stage" >&2 && exit 2 ;;
  esac
  shift 2
done
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

mkdir -p data exp
run_stages "$stage" "$stop_stage" exp \
  prepare speak start encode draft decoder round_weights export_recognizer evaluate
