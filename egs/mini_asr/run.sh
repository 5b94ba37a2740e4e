#!/usr/bin/env bash
# The whole path in under two minutes on two CPU cores: clips -> manifests -> units -> train -> decode -> check.
# Starts afresh each time; everything it makes is in data/ and exp/.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

rm -rf data exp

step "prepare"
python local/prepare.py clips data

step "units"
speechnar units data/train.jsonl.gz exp/units

step "train Mask-CTC"
speechnar train recognizer conf/mask.yaml --units exp/units --train data/train.jsonl.gz --dev data/test.jsonl.gz \
  --out exp/model

step "decode"
speechnar decode exp/model data/test.jsonl.gz exp/ctc.txt --method greedy
speechnar decode exp/model data/test.jsonl.gz exp/mask_ctc.txt --method mask-ctc --threshold 0.5

step "evaluate"
speechnar evaluate wer --ref data/test.txt --hyp exp/ctc.txt --hyp exp/mask_ctc.txt --json exp/wer.json

step "check"
python local/check.py exp/wer.json
