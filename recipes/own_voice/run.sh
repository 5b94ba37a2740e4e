#!/usr/bin/env bash
# A voice from your own recordings. README.md says how to lay them out, and what each stage does.
#
#     ./run.sh --recordings DIR [--layout ljspeech|arctic|kaldi] [--from-scratch | --full] [--joint]
#              [--stage N] [--stop-stage N] [--dev N|REGEX] [--test N|REGEX] [--jobs N] [--threads N] [--max-steps N]
#
# A stage that is done is skipped (exp/tuned/.N-NAME.done; scratch or full with that option), until one before it is
# done again; --stage N starts with stage N, done or not. Everything that was stopped goes on where it was.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh
source ../voice.sh

corpus="" layout=ljspeech dev=10 test=10
while (($#)); do
  case $1 in
    --recordings) corpus=$(from_caller "${2:?--recordings needs a folder}") taken=2 ;;
    --layout) layout=${2:?--layout needs ljspeech, arctic or kaldi} taken=2 ;;
    --joint) joint=_joint taken=1 ;;
    *) voice_option "$@" ;;
  esac
  shift "$taken"
done
[[ $corpus ]] || fail "--recordings is missing: name the folder that holds metadata.csv, or Kaldi's wav.scp"
[[ -d $corpus ]] || fail "there is no folder $corpus"

run_voice
