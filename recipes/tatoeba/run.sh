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
source "$recipes/translation.sh"

corpus=data/corpus #: DIR, the folder of deu-eng.zip, from manythings.org/anki
from=deu           #: deu|eng, language of the sources
parse_options "$@"

systems="ctc ctc_glat cmlm glat da axe oaxe levenshtein semi_autoregressive"
shared=../../../shared/data/tatoeba # the archive, if it is there

prepare() {
  local archive=$corpus/deu-eng.zip
  if [[ ! -e $archive && -e $shared/deu-eng.zip ]]; then archive=$shared/deu-eng.zip; fi
  [[ -e $archive ]] || fail "there is no $archive: download it from manythings.org/anki, or give --corpus"
  python local/prepare.py "$archive" data --from "$from"
}

run_translation "corpus from"
