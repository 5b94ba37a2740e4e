#!/usr/bin/env bash
# NAR recognizers and their autoregressive twin on LibriSpeech. README.md says what each stage does.
#
#     ./run.sh --corpus DIR [--hours 100|960] [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=data/corpus/LibriSpeech #: DIR, the folder LibriSpeech of the unpacked corpus, all of it or some parts
hours=100                      #: 100|960, train-clean-100 or all of the training set
parse_options "$@"

if [[ $hours == 100 ]]; then
  split=train-clean-100 subwords=500 decoders="mask ar"
else
  split=train subwords=1000 decoders=""
fi
exp=exp/$hours

train() { # NAME [--init DIR]
  train_model recognizer "conf/${1}_${hours}h.yaml" --tokenizer "$exp/tokenizer" --out "$exp/$1" \
    --train "data/$split.jsonl.gz" --dev data/dev.jsonl.gz "${@:2}"
}
prepare() { python local/prepare.py "$corpus" data --jobs "$nj"; }
tokenizer() { speechnar tokenizer "data/$split.jsonl.gz" "$exp/tokenizer" --subwords "$subwords"; }
ctc() { train ctc; }
mask() { train mask --init "$exp/ctc"; }
ar() { train ar --init "$exp/ctc"; }
evaluate() {
  local cuts test name method hyps
  for cuts in data/test-*.jsonl.gz; do
    test=$(basename "$cuts" .jsonl.gz)
    hyps=()
    for name in ctc $decoders; do
      case $name in ctc) method=greedy ;; mask) method=mask_ctc ;; ar) method=autoregressive ;; esac
      echo "$test, $name:"
      speechnar decode "$exp/$name" "$cuts" "$exp/decoded/$test/$name.txt" --method "$method"
      hyps+=(--hyp "$exp/decoded/$test/$name.txt")
    done
    speechnar evaluate wer --ref "data/$test.txt" "${hyps[@]}" --json "$exp/decoded/$test/wer.json"
  done
}

learning="max_steps data/$split.jsonl.gz data/dev.jsonl.gz"
stages=("prepare: corpus" "tokenizer: data/$split.jsonl.gz" "ctc: $learning conf/ctc_${hours}h.yaml")
for name in $decoders; do
  stages+=("$name: $learning conf/${name}_${hours}h.yaml")
done
run_stages "$exp" "${stages[@]}" "evaluate:"
