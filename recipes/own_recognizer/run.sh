#!/usr/bin/env bash
# A CTC recognizer of any language from your own recordings. README.md says how to lay them out.
#
#     ./run.sh --recordings DIR --language CODE [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

recordings=     #: DIR, metadata.csv and wavs, or what another layout has
layout=ljspeech #: ljspeech|arctic|kaldi, how the recordings are laid out
language=       #: CODE, of the texts: de, fi, en ...
subwords=       #: N, of subwords, in place of characters
dev=100         #: REGEX, names of the utterances to validate on, or how many
test=100        #: REGEX, names of the utterances to test on, or how many
parse_options "$@"
[[ $recordings ]] || fail "--recordings is missing: name the folder that holds metadata.csv, or Kaldi's wav.scp"
[[ -d $recordings ]] || fail "there is no folder $recordings"
[[ $language ]] || fail "--language is missing: name the language of the texts, such as de"

prepare() {
  speechnar corpus import "$layout" "$recordings" data/all.jsonl.gz --fix --report data/import.tsv --jobs "$nj"
  python local/prepare.py data/all.jsonl.gz data/words.jsonl.gz --language "$language"
  speechnar corpus split data/words.jsonl.gz data --dev "$dev" --test "$test"
  speechnar corpus export kaldi data/test.jsonl.gz data/test # its `text` is what the test recordings say
}
units() { speechnar tokenizer data/train.jsonl.gz exp/units ${subwords:+--subwords "$subwords"}; }
ctc() {
  train_model recognizer conf/ctc.yaml --tokenizer exp/units --train data/train.jsonl.gz --dev data/dev.jsonl.gz --out exp/ctc
}
export_recognizer() {
  mkdir -p exp/model
  cp exp/ctc/{config.yaml,tokens.txt,model.safetensors} exp/model
  sed "s/^language:.*/language: $language/" conf/card.yaml >exp/model/recognizer.yaml
  speechnar export exp/model exp/recognizer
}
evaluate() {
  python ../transcribe.py exp/recognizer data/test.jsonl.gz exp/evaluation/hyp
  speechnar evaluate wer --ref data/test/text --hyp exp/evaluation/hyp --cer --json exp/evaluation/wer.json
}

run_stages exp \
  "prepare: recordings layout language dev test" \
  "units: subwords data/train.jsonl.gz" \
  "ctc: max_steps conf/ctc.yaml data/train.jsonl.gz data/dev.jsonl.gz" \
  "export_recognizer: language conf/card.yaml" \
  "evaluate:"
