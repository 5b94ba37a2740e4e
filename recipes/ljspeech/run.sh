#!/usr/bin/env bash
# A voice from the recordings of LJSpeech, or of a part of it. README.md says what each stage does.
#
#     ./run.sh [--corpus DIR/LJSpeech-1.1] [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Everything that was
# stopped goes on where it was.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"
source ../voice.sh

corpus= #: DIR, LJSpeech-1.1, unpacked: without it, it is downloaded to data/LJSpeech-1.1
joint=false #: train the aligner and the acoustic model at once
layout=ljspeech
parse_options "$@"
given=$corpus
corpus=${given:-data/LJSpeech-1.1}

shared=../../../shared/data # a part of the corpus, packed, if it is there
url=https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2
sha256=be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5

is_published() { # FILE
  [[ -e $1 && $(python -c 'import hashlib, sys
found = hashlib.sha256()
with open(sys.argv[1], "rb") as file:
    while block := file.read(1 << 20):
        found.update(block)
print(found.hexdigest())' "$1") == "$sha256" ]]
}
fetch() {
  local archive=data/LJSpeech-1.1.tar.bz2.part
  if ! is_published "$archive"; then
    curl --fail --location --retry 5 --continue-at - --output "$archive" "$url" ||
      fail "the download of $url broke off: run this again, it goes on from there"
    if ! is_published "$archive"; then
      rm "$archive"
      fail "what came from $url is not what its publisher put there (SHA-256) and was deleted: run this again"
    fi
  fi
  tar xjf "$archive" -C data/unpacking
  rm "$archive"
}
download() {
  if [[ $given ]]; then
    [[ -d $given ]] || fail "there is no folder $given: --corpus takes LJSpeech-1.1, unpacked"
  elif [[ ! -d $corpus ]]; then
    rm -rf data/unpacking
    mkdir data/unpacking
    if [[ -d $shared/ljspeech ]]; then python "$shared/unpack.py" ljspeech data/unpacking; else fetch; fi
    mv data/unpacking/LJSpeech-1.1 "$corpus"
    rmdir data/unpacking
  fi
}

run_voice "download:"
