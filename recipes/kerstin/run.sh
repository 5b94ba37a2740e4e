#!/usr/bin/env bash
# A German voice from the Kerstin recordings (CC0). README.md says what each stage does.
#
#     ./run.sh [--corpus DIR/dataset-voice-kerstin] [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Everything that was
# stopped goes on where it was.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"
source ../voice.sh

corpus= #: DIR, a copy of dataset-voice-kerstin: without it, it is downloaded to data/dataset-voice-kerstin
joint=false #: train the aligner and the acoustic model at once
layout=ljspeech
parse_options "$@"
given=$corpus
corpus=${given:-data/dataset-voice-kerstin}/verified # the recordings without the silence around them

commit=f73127135cf80d6ef52aef6af58c49774f4fd625
url=https://github.com/rhasspy/dataset-voice-kerstin/archive/$commit.tar.gz

download() {
  if [[ $given ]]; then
    [[ -e $corpus/metadata.csv ]] || fail "there is no $corpus/metadata.csv: --corpus takes dataset-voice-kerstin"
  elif [[ ! -d $corpus ]]; then
    rm -rf data/unpacking
    mkdir data/unpacking
    curl --fail --location --retry 5 --output data/kerstin.tar.gz.part "$url" ||
      fail "the download of $url broke off: run this again"
    tar xzf data/kerstin.tar.gz.part -C data/unpacking --strip-components 1 ||
      fail "what came from $url is no archive: run this again"
    mv data/unpacking data/dataset-voice-kerstin
    rm data/kerstin.tar.gz.part
  fi
}

run_voice "download:"
