#!/usr/bin/env bash
# Singing in under two minutes: speech -> songs -> features -> a short training from the voice in the package -> a tune.
# Needs pip install -e ".[dev,world]".
#
#     ./run.sh [OPTION...]
#
# Starts afresh each time, unless --stage is given; everything that it makes is in data/ and exp/.
set -euo pipefail
source "$(dirname "$0")/../../recipes/stages.sh"
parse_options "$@"
[[ $stage ]] || rm -rf data exp

singing=../../recipes/singing
splits="--features exp/features --train data/train/cuts.jsonl --dev data/dev/cuts.jsonl"

prepare() { python ../mini_tts/local/prepare.py ../mini_tts/clips data/speech; }
songs() {
  for split in train dev; do
    python $singing/local/sung_speech.py data/speech/$split.jsonl.gz data/$split --lag 0.05 --jobs "$nj"
  done
}
restore() { speechnar restore heart exp/model; }
features() {
  mkdir -p exp/features
  cp exp/model/acoustic/tokens.txt exp/features
  speechnar features data/train/cuts.jsonl data/dev/cuts.jsonl exp/features --audio $singing/conf/audio.yaml
}
acoustic() { train_model acoustic conf/acoustic.yaml $splits --init exp/model/acoustic --out exp/acoustic; }
export_voice() {
  mkdir -p exp/model/singing
  cp exp/acoustic/{config.yaml,tokens.txt,model.safetensors} exp/model/singing
  speechnar export exp/model exp/voice
}
evaluate() {
  speechnar evaluate singing tune.musicxml --voice exp/voice --transpose -4 --out exp/tune --plot exp/tune
}
check() { python local/check.py exp; }

run_stages exp prepare: songs: restore: features: acoustic: export_voice: evaluate: check:
