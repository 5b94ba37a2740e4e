#!/usr/bin/env bash
# One voice of three speakers: slt and bdl of CMU Arctic, and Kathleen. README.md says what each stage does.
#
#     ./run.sh [--arctic DIR] [--kathleen DIR] [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Everything that was
# stopped goes on where it was.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"
source ../voice.sh

arctic=data/corpus            #: DIR, cmu_us_slt_arctic and cmu_us_bdl_arctic, as CMU's archives unpack
kathleen=data/corpus/kathleen #: DIR, metadata.csv and wav
dev='b04[4-8]\d$' test='b049\d$|b05\d\d$' # by the prompt: the three read the same ones
parse_options "$@"

speakers=(slt bdl kathleen)
shared=../../../shared/data # the corpora, packed, if they are there

corpora() {
  if [[ ! -d $arctic/cmu_us_slt_arctic && -d $shared/arctic ]]; then
    python "$shared/unpack.py" arctic data/corpus
  fi
  if [[ ! -e $kathleen/metadata.csv && -d $shared/kathleen ]]; then
    python "$shared/unpack.py" kathleen data/corpus
  fi
  local speaker
  for speaker in slt bdl; do
    [[ -d $arctic/cmu_us_${speaker}_arctic ]] ||
      fail "there is no $arctic/cmu_us_${speaker}_arctic: unpack CMU's archive of that name there, or give --arctic"
  done
  [[ -e $kathleen/metadata.csv ]] ||
    fail "$kathleen holds no metadata.csv: unpack Kathleen's recordings there, or give --kathleen"
}
manifests() { echo data/{slt,bdl,kathleen}/{train,dev,test}.jsonl.gz; }
import() { # SPEAKER: its recordings to data/SPEAKER/all.jsonl.gz
  local speaker=$1 layout=arctic folder=$arctic/cmu_us_${1}_arctic
  if [[ $speaker == kathleen ]]; then layout=ljspeech folder=$kathleen; fi
  speechnar corpus import "$layout" "$folder" "data/$speaker/all.jsonl.gz" --speaker "$speaker" --prefix "${speaker}_" \
    --fix --report "data/$speaker/import.tsv" --jobs "$nj"
}
prepare() {
  local speaker of
  for speaker in "${speakers[@]}"; do
    of=data/$speaker
    mkdir -p "$of"
    import "$speaker"
    speechnar corpus check "$of/all.jsonl.gz" --report "$of/check.tsv" --fix "$of/sound.jsonl.gz" --jobs "$nj"
    speechnar corpus phonemize "$of/sound.jsonl.gz" "$of/phones.jsonl.gz" --jobs "$nj"
    speechnar corpus split "$of/phones.jsonl.gz" "$of" --dev "$dev" --test "$test"
    speechnar corpus export kaldi "$of/test.jsonl.gz" "$of/test" # its `text` has the sentences to speak
  done
}
align() { # an aligner for each speaker, from these recordings alone; then all in one manifest
  local speaker part of=$models/aligned
  for speaker in "${speakers[@]}"; do
    align_of "data/$speaker" "exp/aligner/$speaker" "$of/$speaker"
  done
  for part in train dev test; do
    cat "$of"/{slt,bdl,kathleen}/"$part.jsonl.gz" >"$of/$part.jsonl.gz"
  done
}
evaluate() {
  local speaker
  for speaker in "${speakers[@]}"; do
    echo "-- $speaker"
    measure "data/$speaker" "$models/aligned/$speaker" "$models/evaluation/$speaker" --speaker "$speaker"
  done
}

corpora_options="arctic kathleen"
run_voice "corpora:"
