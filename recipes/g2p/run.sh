#!/usr/bin/env bash
# Letters to phones: parallel models beside their autoregressive twin, from CMUdict to one table. README.md has the
# stages.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=data/corpus #: DIR, the folder of cmudict.dict, from github.com/cmusphinx/cmudict
threads=1
parse_options "$@"

export OMP_NUM_THREADS=$threads

train() { # NAME PAIRS OUT [OPTION...]: conf/NAME.yaml on data/PAIRS.tsv to exp/OUT
  train_model text2text "conf/$1.yaml" --tokenizer exp/tokenizer --train "data/$2.tsv" --dev data/dev.tsv \
    --out "exp/$3" "${@:4}"
}

prepare() {
  [[ -e $corpus/cmudict.dict ]] || fail "there is no $corpus/cmudict.dict: download it, or give --corpus"
  python local/prepare.py "$corpus/cmudict.dict" data
}
tokenizer() { speechnar tokenizer data/train.tsv exp/tokenizer --words; }
start() { train start train start; }
systems() { # each from the weights of the same CTC model, for as many steps
  local name
  for name in ar ctc ctc_glat; do
    train "$name" train "$name" --init exp/start
  done
}
distill() { # the twin's own phones of the training words, or the dictionary's where the twin writes none
  speechnar distill exp/ar data/train.tsv data/distilled.tsv --batch 256 --threads "$threads"
}
distilled() { train ctc_glat distilled ctc_glat_distilled --init exp/start; }
bundle() { speechnar export exp/ctc exp/letters.onnx; }
evaluate() { python local/evaluate.py data exp; }

learning="max_steps conf/base.yaml data/dev.tsv"
run_stages exp \
  "prepare: corpus" \
  "tokenizer: data/train.tsv" \
  "start: $learning conf/start.yaml data/train.tsv" \
  "systems: $learning conf/start.yaml conf/ar.yaml conf/ctc.yaml conf/ctc_glat.yaml data/train.tsv" \
  "distill: data/train.tsv" \
  "distilled: $learning conf/ctc_glat.yaml data/distilled.tsv" \
  "bundle: exp/ctc/model.safetensors" \
  "evaluate: data/test.tsv"
