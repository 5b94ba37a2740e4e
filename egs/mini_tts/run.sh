#!/usr/bin/env bash
# The whole path in under two minutes on two CPU cores: clips -> features -> train -> export -> speak -> check.
# Starts afresh each time; everything it makes is in data/ and exp/.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

rm -rf data exp
splits=(--features exp/features --train data/train.jsonl.gz --dev data/dev.jsonl.gz)

step "prepare"
python local/prepare.py clips data

step "features"
speechnar features data/train.jsonl.gz data/dev.jsonl.gz exp/features --audio conf/audio.yaml

step "train the acoustic model"
speechnar train acoustic conf/acoustic.yaml "${splits[@]}" --out exp/acoustic

step "train the vocoder"
speechnar train vocoder conf/vocoder.yaml "${splits[@]}" --out exp/vocoder

step "export"
mkdir -p exp/model
cp -r exp/acoustic exp/vocoder conf/voice.yaml exp/model
speechnar export exp/model exp/voice

step "synth"
speechnar synth "Hello, world. This is the whole path, in a minute." -o exp/hello.wav --voice exp/voice

step "check"
python local/check.py exp
