#!/usr/bin/env bash
# German to English, or English to German: parallel translation beside its autoregressive twin, from Tatoeba's pairs to
# one table. README.md has the stages.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=data/corpus #: DIR, the folder of deu-eng.zip, from manythings.org/anki
from=deu           #: deu|eng, language of the sources
subwords=4000      #: N, tokens of the vocabulary that both languages share
threads=1
parse_options "$@"

shared=../../../shared/data/tatoeba # the archive, if it is there
export OMP_NUM_THREADS=$threads

train() { # NAME PAIRS OUT [OPTION...]: conf/NAME.yaml on data/PAIRS.tsv to exp/OUT
  train_model text2text "conf/$1.yaml" --tokenizer exp/tokenizer --train "data/$2.tsv" --dev data/dev.tsv \
    --out "exp/$3" "${@:4}"
}
parallel() { # PAIRS SUFFIX: the parallel systems, each from the weights of the twin
  local name
  for name in ctc ctc_glat cmlm glat da; do
    train "$name" "$1" "$name$2" --init exp/ar
  done
}

prepare() {
  local archive=$corpus/deu-eng.zip
  if [[ ! -e $archive && -e $shared/deu-eng.zip ]]; then archive=$shared/deu-eng.zip; fi
  [[ -e $archive ]] || fail "there is no $archive: download it from manythings.org/anki, or give --corpus"
  python local/prepare.py "$archive" data --from "$from"
}
tokenizer() { speechnar tokenizer data/train.tsv exp/tokenizer --subwords "$subwords"; }
ar() { train ar train ar; }
distill() { # the twin's own translations of the training sources, in place of people's
  cut -f 1 data/train.tsv >data/sources.txt
  speechnar translate exp/ar -f data/sources.txt -o data/translated.txt --beam 1 --batch 128 --threads "$threads"
  paste data/sources.txt data/translated.txt | awk -F '\t' '$2 != ""' >data/distilled.tsv
}
raw() { parallel train _raw; }
distilled() { parallel distilled ""; }
evaluate() { python local/evaluate.py data exp; }

learning="max_steps data/dev.tsv"
systems="conf/ctc.yaml conf/ctc_glat.yaml conf/cmlm.yaml conf/glat.yaml conf/da.yaml"
run_stages exp \
  "prepare: corpus from" \
  "tokenizer: subwords data/train.tsv" \
  "ar: $learning conf/ar.yaml data/train.tsv" \
  "distill: data/train.tsv" \
  "distilled: $learning $systems data/distilled.tsv" \
  "raw: $learning $systems data/train.tsv" \
  "evaluate: data/test.tsv data/dev.tsv"
