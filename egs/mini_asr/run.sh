#!/usr/bin/env bash
# The whole path in under two minutes on two CPU cores: clips -> manifests -> tokens -> train -> decode -> check.
#
#     ./run.sh [OPTION...]
#
# Starts afresh each time, unless --stage is given; everything that it makes is in data/ and exp/.
set -euo pipefail
source "$(dirname "$0")/../../recipes/stages.sh"
parse_options "$@"
[[ $stage ]] || rm -rf data exp

prepare() { python local/prepare.py clips data; }
tokenizer() { speechnar tokenizer data/train.jsonl.gz exp/tokenizer; }
mask_ctc() {
  train_model recognizer conf/mask.yaml --tokenizer exp/tokenizer --train data/train.jsonl.gz --dev data/test.jsonl.gz \
    --out exp/model
}
decode() {
  speechnar decode exp/model data/test.jsonl.gz exp/ctc.txt --method greedy
  speechnar decode exp/model data/test.jsonl.gz exp/mask_ctc.txt --method mask_ctc --threshold 0.5
}
evaluate() {
  speechnar evaluate wer --ref data/test.txt --hyp exp/ctc.txt --hyp exp/mask_ctc.txt --json exp/wer.json
}
check() { python local/check.py exp/wer.json; }

run_stages exp prepare: tokenizer: mask_ctc: decode: evaluate: check:
