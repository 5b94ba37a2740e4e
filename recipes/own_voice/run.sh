#!/usr/bin/env bash
# A voice from your own recordings. README.md says how to lay them out, and what each stage does.
#
#     ./run.sh --recordings DIR [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Everything that was
# stopped goes on where it was.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"
source ../voice.sh

recordings=     #: DIR, metadata.csv and wavs, or what another layout has
layout=ljspeech #: ljspeech|arctic|kaldi, how the recordings are laid out
joint=false     #: train the aligner and the acoustic model at once
dev=10 test=10
parse_options "$@"
[[ $recordings ]] || fail "--recordings is missing: name the folder that holds metadata.csv, or Kaldi's wav.scp"
[[ -d $recordings ]] || fail "there is no folder $recordings"
corpus=$recordings

run_voice
