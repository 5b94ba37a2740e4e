#!/usr/bin/env bash
# English to German, or German to English: descriptions of pictures, parallel translation beside its autoregressive twin,
# from Multi30k's pairs to one table. README.md has the stages.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"
source "$recipes/translation.sh"

corpus= #: DIR, the folder of train.en.gz, of github.com/multi30k/dataset, data/task1/raw; without it, it is downloaded
from=en #: en|de, language of the sources
subwords=6000
parse_options "$@"

systems="ctc ctc_glat"

prepare() { python local/prepare.py "${corpus:-data/corpus}" data --from "$from" $([[ $corpus ]] || echo --download); }

run_translation "corpus from"
