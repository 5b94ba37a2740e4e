#!/usr/bin/env bash
# NAR recognizers and their autoregressive twin on LibriSpeech. README.md says what each stage does.
#
#     ./run.sh --corpus DIR [--hours 100|960] [--stage N] [--stop-stage N] [--jobs N] [--max-steps N]
#
# DIR is the folder `LibriSpeech` of the unpacked corpus, all of it or some parts. A stage that is done is skipped
# (exp/HOURS/.N-NAME.done), until one before it is done again; --stage N starts with stage N, done or not. Training that
# was stopped goes on from its last checkpoint. --max-steps cuts every training short, to try the recipe out.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh

stage="" stop_stage=99 corpus=data/corpus/LibriSpeech hours=100 jobs=2 limit=()
while (($#)); do
  case $1 in
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    --corpus) corpus=${2:?--corpus needs a folder} ;;
    --hours) hours=${2:?--hours needs 100 or 960} ;;
    --jobs) jobs=${2:?--jobs needs a number} ;;
    --max-steps) limit=(--max-steps "${2:?--max-steps needs a number}") ;;
    *) echo "run.sh: unknown option $1; the first lines of this file name the options" >&2 && exit 2 ;;
  esac
  shift 2
done

case $hours in
  100) split=train-clean-100 subwords=500 trainings=(ctc mask ar) ;;
  960) split=train subwords=1000 trainings=(ctc) ;;
  *) echo "run.sh: --hours is $hours but should be 100 or 960" >&2 && exit 2 ;;
esac
exp=exp/$hours

train() { # NAME [--init DIR]
  local name=$1
  shift
  speechnar train recognizer "conf/${name}_${hours}h.yaml" --units "$exp/units" --out "$exp/$name" \
    --train "data/$split.jsonl.gz" --dev data/dev.jsonl.gz "${limit[@]}" "$@"
}
prepare() { python local/prepare.py "$corpus" data --jobs "$jobs"; }
units() { speechnar units "data/$split.jsonl.gz" "$exp/units" --subwords "$subwords"; }
ctc() { train ctc; }
mask() { train mask --init "$exp/ctc"; }
ar() { train ar --init "$exp/ctc"; }
evaluate() {
  for cuts in data/test-*.jsonl.gz; do
    local test hyps=()
    test=$(basename "$cuts" .jsonl.gz)
    for name in "${trainings[@]}"; do
      case $name in ctc) method=greedy ;; mask) method=mask-ctc ;; ar) method=ar ;; esac
      echo "$test, $name:"
      speechnar decode "$exp/$name" "$cuts" "$exp/decoded/$test/$name.txt" --method "$method"
      hyps+=(--hyp "$exp/decoded/$test/$name.txt")
    done
    speechnar evaluate wer --ref "data/$test.txt" "${hyps[@]}" --json "$exp/decoded/$test/wer.json"
  done
}

mkdir -p data "$exp"
run_stages "$stage" "$stop_stage" "$exp" prepare units "${trainings[@]}" evaluate
