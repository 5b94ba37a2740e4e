#!/usr/bin/env bash
# The recogniser `english_base`, from corpora and Whisper base's encoder to a recogniser folder in exp/english_base.
# README.md says what each stage does.
#
#     ./run.sh --corpora DIR [--stage N] [--stop-stage N] [--books DIR]
#
# A stage that is done is skipped (exp/.N-NAME.done), until one before it is done again; --stage N starts with stage N,
# done or not. Training that was stopped goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh

stage="" stop_stage=7 corpora="" books=""
while (($#)); do
  case $1 in
    --corpora) corpora=${2:?--corpora needs the folder of the corpora} ;;
    --books) books=${2:?--books needs a folder of .txt files} ;;
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    *) echo "run.sh: unknown option $1; known are --corpora, --books, --stage and --stop-stage" >&2 && exit 2 ;;
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
start() { python local/start.py data/train.tsv exp/start --units 150; }
encode() { python local/encode.py conf/recognizer.yaml exp/start data exp/encoded; }
train() { python local/train.py conf/recognizer.yaml exp/start exp/encoded exp/recognizer; }
language_model() {
  if [[ -n $books ]]; then
    python local/text.py "$books" data/text.txt --books local/books.tsv --transcripts data/train.tsv \
      --no-book-with data/test_other.tsv --no-line-with data/test_read.tsv data/dev.tsv
  else
    cut -f4 data/train.tsv > data/text.txt
  fi
  speechnar lm train data/text.txt -o exp/recognizer/lm.npz --vocabulary 40000 --min-counts 1 1 2 --prune 1e-7
}
export_recognizer() {
  cp conf/card.yaml exp/recognizer/recognizer.yaml
  speechnar export exp/recognizer exp/english_base
}
tune() { # the best pair of weights belongs in conf/card.yaml
  python local/log_probs.py exp/english_base data/dev.tsv exp/log_probs
  speechnar lm tune exp/log_probs --texts data/dev.tsv --units exp/recognizer/tokens.txt --lm exp/recognizer/lm.npz
}
evaluate() {
  for split in test_other test_read; do
    python local/transcribe.py exp/english_base "data/$split.tsv" "exp/evaluation/$split"
    (cd "exp/evaluation/$split" &&
      speechnar evaluate wer --ref ref.tsv --hyp hyp.tsv --utt2spk utt2spk --normaliser whisper)
  done
}

mkdir -p data exp
run_stages "$stage" "$stop_stage" exp \
  prepare start encode train language_model export_recognizer tune evaluate
