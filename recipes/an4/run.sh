#!/usr/bin/env bash
# NAR recognizers and their autoregressive twin on AN4, from the corpus to one table. README.md has the stages.
#
#     ./run.sh [--stage N] [--stop-stage N] [--corpus DIR]
#
# A stage that is done is skipped (exp/.N-NAME.done), until one before it is done again; --stage N starts with stage N,
# done or not. Training that was stopped goes on from its last checkpoint. Models are trained two at a time, with one
# thread each; what they print goes to exp/NAME.log.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh

stage="" stop_stage=99 corpus=data/corpus/an4
while (($#)); do
  case $1 in
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    --corpus) corpus=${2:?--corpus needs a folder} ;;
    *) echo "run.sh: unknown option $1; known are --stage, --stop-stage and --corpus" >&2 && exit 2 ;;
  esac
  shift 2
done

shared=../../../shared/data # the corpus, packed, if it is there
export OMP_NUM_THREADS=1
trap 'jobs -p | xargs -r kill' EXIT # no training outlives the recipe

train() { # NAME UNITS [--init DIR]: conf/NAME.yaml to exp/NAME
  local name=$1 units=$2
  shift 2
  speechnar train recognizer "conf/$name.yaml" --units "exp/$units" --threads 1 \
    --train data/train.jsonl.gz --dev data/dev.jsonl.gz --out "exp/$name" "$@" &>"exp/$name.log"
}

both() { # waits for the two trainings begun last; fails if one of them did
  local failed=0 pid
  for pid in $(jobs -p); do
    wait "$pid" || failed=1
  done
  ((!failed)) || { echo "run.sh: training failed: read the end of exp/*.log" >&2 && exit 1; }
}

unpack() {
  if [[ ! -d $corpus/etc && -d $shared/an4 ]]; then
    python "$shared/unpack.py" an4 data/corpus
  elif [[ ! -d $corpus/etc ]]; then
    echo "run.sh: $corpus holds no AN4: unpack an4_sphere.tar.gz of CMU there, or give --corpus" >&2
    exit 1
  fi
}
prepare() { python local/prepare.py "$corpus" data; }
units() {
  speechnar units data/train.jsonl.gz exp/characters
  speechnar units data/train.jsonl.gz exp/subwords --subwords 100
}
encoders() {
  train ctc_self characters &
  train ctc_self_subwords subwords &
  both
}
decoders() {
  train mask characters --init exp/ctc_self &
  train ar characters --init exp/ctc_self &
  both
}
decoders_subwords() {
  train mask_subwords subwords --init exp/ctc_self_subwords &
  train ar_subwords subwords --init exp/ctc_self_subwords &
  both
}
plain() {
  train ctc characters &
  train ctc_inter characters &
  both
}
evaluate() { python local/evaluate.py data exp; }

mkdir -p data exp
run_stages "$stage" "$stop_stage" exp unpack prepare units encoders decoders decoders_subwords plain evaluate
