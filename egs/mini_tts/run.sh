#!/usr/bin/env bash
# The whole path in under two minutes on two CPU cores: clips -> features -> train -> export -> speak -> check.
#
#     ./run.sh [OPTION...]
#
# Starts afresh each time, unless --stage is given; everything that it makes is in data/ and exp/.
set -euo pipefail
source "$(dirname "$0")/../../recipes/stages.sh"
parse_options "$@"
[[ $stage ]] || rm -rf data exp

splits="--features exp/features --train data/train.jsonl.gz --dev data/dev.jsonl.gz"

prepare() { python local/prepare.py clips data; }
features() { speechnar features data/train.jsonl.gz data/dev.jsonl.gz exp/features --audio conf/audio.yaml; }
acoustic() { train_model acoustic conf/acoustic.yaml $splits --out exp/acoustic; }
vocoder() { train_model vocoder conf/vocoder.yaml $splits --out exp/vocoder; }
export_voice() {
  mkdir -p exp/model
  cp -r exp/acoustic exp/vocoder conf/voice.yaml exp/model
  speechnar export exp/model exp/voice
}
synth() {
  speechnar synth "Hello, world. This is the whole path, in a minute." -o exp/hello.wav --voice exp/voice
}
check() { python local/check.py exp; }

run_stages exp prepare: features: acoustic: vocoder: export_voice: synth: check:
