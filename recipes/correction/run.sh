#!/usr/bin/env bash
# A corrector of the recognizer's spelling, from recordings whose words are known and from text. README.md has the stages.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

cuts=../english_base/data #: DIR, the manifests that recipes/english_base prepares: train, dev, test_other, test_read
texts=data/texts          #: DIR, English texts: .txt and .md files, or Tatoeba's deu.txt
utterances=2000           #: N, recordings of each manifest
parse_options "$@"

export OMP_NUM_THREADS=1

recognize() {
  local name changed
  [[ -e $cuts/train.jsonl.gz ]] || fail "there is no $cuts/train.jsonl.gz: run recipes/english_base to its stage prepare, or give --cuts"
  for changed in "" --speeds --noise; do
    python local/recognize.py "$cuts/train.jsonl.gz" data/train.tsv --systems draft --utterances "$utterances" $changed
  done
  for name in dev test_other test_read; do
    python local/recognize.py "$cuts/$name.jsonl.gz" "data/$name.tsv" --utterances "$utterances"
  done
}
language_model() {
  [[ -e $texts ]] || fail "there is no $texts: put English books there, or give --texts"
  python local/texts.py data/sentences.txt --texts "$texts" --held-out data/dev.tsv data/test_other.tsv data/test_read.tsv
  mkdir -p exp/english
  speechnar lm train data/sentences.txt -o exp/english/lm.npz --order 2 --vocabulary 100000 --prune 4e-8
}
learn() { python local/learn.py data/train.tsv data/dev.tsv exp/english; }
evaluate() { python local/evaluate.py exp/english data/dev.tsv data/test_other.tsv data/test_read.tsv; }

run_stages exp \
  "recognize: cuts utterances" \
  "language_model: texts" \
  "learn: data/train.tsv data/dev.tsv exp/english/lm.npz" \
  "evaluate: data/test_other.tsv data/test_read.tsv exp/english/channel.json"
