#!/usr/bin/env bash
# NAR recognisers and their autoregressive twin on AN4, from the corpus to one table. README.md has the stages.
#
#     ./run.sh [--stage N] [--stop-stage N] [--corpus DIR] [--threads N]
#
# A stage that is done is skipped (exp/.N-NAME.done), until one before it is done again; --stage N starts with stage N,
# done or not. Training that was stopped goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh

stage="" stop_stage=99 corpus=data/corpus/an4 threads=2
while (($#)); do
  case $1 in
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    --corpus) corpus=${2:?--corpus needs a folder} ;;
    --threads) threads=${2:?--threads needs a number} ;;
    *) echo "run.sh: unknown option $1; known are --stage, --stop-stage, --corpus and --threads" >&2 && exit 2 ;;
  esac
  shift 2
done

shared=../../../shared/data # the corpus, packed, if it is there

train() { # NAME UNITS [--init DIR]: conf/NAME.yaml to exp/NAME
  local name=$1 units=$2
  shift 2
  speechnar train recognizer "conf/$name.yaml" --units "exp/$units" --threads "$threads" \
    --train data/train.jsonl.gz --dev data/dev.jsonl.gz --out "exp/$name" "$@"
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
ctc_self() { train ctc_self characters; }
mask() { train mask characters --init exp/ctc_self; }
ar() { train ar characters --init exp/ctc_self; }
ctc_self_subwords() { train ctc_self_subwords subwords; }
mask_subwords() { train mask_subwords subwords --init exp/ctc_self_subwords; }
ar_subwords() { train ar_subwords subwords --init exp/ctc_self_subwords; }
ctc() { train ctc characters; }
ctc_inter() { train ctc_inter characters; }
evaluate() { python local/evaluate.py data/test.jsonl.gz data/test.txt exp; }

mkdir -p data exp
run_stages "$stage" "$stop_stage" exp \
  unpack prepare units ctc_self mask ar ctc_self_subwords mask_subwords ar_subwords ctc ctc_inter evaluate
