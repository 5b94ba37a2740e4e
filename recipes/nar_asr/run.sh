#!/usr/bin/env bash
# The decoders of non-autoregressive recognition and their autoregressive twin on the same frozen encoder, compared.
# README.md says what each stage does.
#
#     ./run.sh [--corpus DIR] [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint. What training prints goes to exp/log/SYSTEM.log.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=data/corpus/LibriSpeech #: DIR, the folder LibriSpeech of the unpacked corpus, all of it or some parts
encoder=english_base           #: NAME, whose states all systems read: also DIR or hf:owner/name of transformers
subwords=300                   #: N, tokens that the systems write with
parse_options "$@"
if [[ $encoder != /* && -f $caller/$encoder/config.json ]]; then encoder=$caller/$encoder; fi

shared=../../../shared/data # a part of the corpus, packed, if it is there
encoders="ctc ctc_inter cr_ctc ctc_self"
decoders="aed aed_shallow mask_ctc align_refine imputer levenshtein masked_diffusion paraformer"
decoders="$decoders paraformer_v2 paraformer_v2_axe paraformer_v2_oaxe crf"
continued="semi_autoregressive paraformer_v2_ngrams" # from a decoder before

train() { # NAME [OPTION...]: conf/NAME.yaml to exp/NAME
  train_model recognizer "conf/$1.yaml" --tokenizer exp/tokenizer --out "exp/$1" \
    --train exp/encoded/train/cuts.jsonl.gz --dev exp/encoded/dev/cuts.jsonl.gz "${@:2}"
}
unpack() {
  if [[ ! -d $corpus && -d $shared/librispeech ]]; then
    python "$shared/unpack.py" librispeech data/corpus
  fi
  [[ -d $corpus ]] || fail "there is no folder $corpus: give the folder LibriSpeech by --corpus"
}
prepare() { python ../librispeech/local/prepare.py "$corpus" data --jobs "$nj"; }
tokenizer() { speechnar tokenizer data/train.jsonl.gz exp/tokenizer --subwords "$subwords"; }
encode() {
  local cuts
  for cuts in data/{train,dev,test-*}.jsonl.gz; do
    speechnar encode "$encoder" "$cuts" "exp/encoded/$(basename "$cuts" .jsonl.gz)" --seed 1
  done
}
for name in $encoders; do eval "$name() { train $name; }"; done
for name in $decoders; do eval "$name() { train $name --init exp/ctc_self; }"; done
semi_autoregressive() { train semi_autoregressive --init exp/aed; }
paraformer_v2_ngrams() { train paraformer_v2_ngrams --init exp/paraformer_v2; }
evaluate() { python local/evaluate.py data exp; }
ablation() { python local/ablation.py data exp; }

stages=("unpack:" "prepare: corpus" "tokenizer: subwords data/train.jsonl.gz" "encode: encoder data/train.jsonl.gz")
for name in $encoders $decoders $continued; do
  stages+=("$name: max_steps conf/$name.yaml")
done
run_stages exp "${stages[@]}" "evaluate: local/evaluate.py" "ablation: local/ablation.py"
