# Read by the run.sh of recipes that make a voice of recordings: the stages from a folder of recordings to a voice.
#
# Such a recipe sets `corpus` (the folder) and `layout` (of `speechnar corpus import`), reads its options by
# `voice_option`, and calls `run_voice` with the names of its own first stages. A file that its conf/ lacks is that of
# recipes/ljspeech/conf. Models that begin at the voice `heart` are made in exp/tuned; those from nothing in exp/scratch,
# or exp/full where the configs are for a day of speech; with --joint in exp/tuned_joint or exp/scratch_joint.

stage="" stop_stage=99 jobs=$(getconf _NPROCESSORS_ONLN) variant=tuned dev=15 test=30 threads=() limit=()
joint="" # or _joint: the aligner and the acoustic model are trained at once

fail() { echo "run.sh: $1" >&2 && exit 1; }
from_caller() { if [[ $1 == /* ]]; then echo "$1"; else echo "$OLDPWD/$1"; fi; } # a path, from where run.sh was called

# Takes the option that "$@" begins with and sets `taken` to the words it has.
voice_option() {
  taken=2
  case $1 in
    --from-scratch) variant=scratch taken=1 ;;
    --full) variant=full taken=1 ;;
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    --jobs) jobs=${2:?--jobs needs a number} ;;
    --dev) dev=${2:?--dev needs a number or a regular expression} ;;
    --test) test=${2:?--test needs a number or a regular expression} ;;
    --threads) threads=(--threads "${2:?--threads needs a number}") ;;
    --max-steps) limit=(--max-steps "${2:?--max-steps needs a number}") ;;
    *) fail "unknown option $1; the first lines of this file name the options" ;;
  esac
}

run_voice() { # STAGE...: the recipe's own first stages
  models=exp/$variant$joint
  [[ $variant$joint != full_joint ]] || fail "--joint aligns in every step, on the CPU: with --full leave it out"
  local learn=(align features acoustic)
  if [[ $joint ]]; then learn=(learn_jointly); fi
  mkdir -p data "$models"
  run_stages "$stage" "$stop_stage" "$models" \
    "$@" prepare "${learn[@]}" vocoder predict tune export_voice evaluate
}

conf() { # NAME: the recipe's own, else that of recipes/ljspeech
  if [[ -e conf/$1.yaml ]]; then echo "conf/$1.yaml"; else echo "../ljspeech/conf/$1.yaml"; fi
}

prepare() {
  local rate
  rate=$(sed -n 's/^sample_rate: *\([0-9]*\).*/\1/p' "$(conf audio)")
  speechnar corpus import "$layout" "$corpus" data/all.jsonl.gz --fix --report data/import.tsv --jobs "$jobs"
  speechnar corpus check data/all.jsonl.gz --sample-rate "$rate" --report data/check.tsv --fix data/sound.jsonl.gz \
    --jobs "$jobs"
  speechnar corpus phonemize data/sound.jsonl.gz data/phones.jsonl.gz --jobs "$jobs"
  speechnar corpus split data/phones.jsonl.gz data --dev "$dev" --test "$test"
  speechnar corpus export kaldi data/test.jsonl.gz data/test # its `text` has the sentences to speak
}
align() { align_of data exp/aligner "$models/aligned"; }
align_of() { # DATA ALIGNER OUT: finds when each phone is spoken, from these recordings alone
  speechnar train aligner "$(conf aligner)" --train "$1/train.jsonl.gz" --dev "$1/dev.jsonl.gz" \
    --out "$2" "${threads[@]}" "${limit[@]}"
  write_durations "$@"
}
write_durations() { # DATA ALIGNER OUT
  local data=$1 aligner=$2 out=$3 lag=0 part
  if [[ $variant == tuned ]]; then lag=55; fi # `heart` speaks its phones so many ms before their durations say
  for part in train dev test; do
    speechnar align "$aligner" "$data/$part.jsonl.gz" "$out/$part.jsonl.gz" --audio "$(conf audio)" \
      --lag "$lag" --textgrids "$models/textgrids"
  done
}
features() { features_of "$models/aligned"; }
features_of() { # FOLDER of manifests
  speechnar features "$1"/{train,dev,test}.jsonl.gz "$models/features" --audio "$(conf audio)" --jobs "$jobs"
}
learn_jointly() { # the aligner and the acoustic model at once, in place of align, features and acoustic
  local config=joint_$variant init=()
  if [[ $variant == tuned ]]; then
    restore_heart
    config=joint init=(--init exp/heart/acoustic)
  fi
  features_of data
  speechnar train joint "$(conf "$config")" --features "$models/features" --train data/train.jsonl.gz \
    --dev data/dev.jsonl.gz --out "$models/acoustic" "${init[@]}" "${threads[@]}" "${limit[@]}"
  write_durations data "$models/acoustic/aligner" "$models/aligned"
  features # the durations alone are new
}
train() { # acoustic|vocoder CONFIG OUT [OPTION...]
  speechnar train "$1" "$(conf "$2")" --features "$models/features" --train "$models/aligned/train.jsonl.gz" \
    --dev "$models/aligned/dev.jsonl.gz" --out "$models/$3" "${@:4}" "${threads[@]}" "${limit[@]}"
}
restore_heart() { [[ -d exp/heart ]] || speechnar restore heart exp/heart; }
begin() { # acoustic|vocoder: from `heart`, or from nothing
  if [[ $variant == tuned ]]; then
    restore_heart
    train "$1" "$1" "$1" --init "exp/heart/$1"
  else
    train "$1" "$1_$variant" "$1"
  fi
}
acoustic() { begin acoustic; }
vocoder() { begin vocoder; }
predict() { # what the vocoder will be given, which is less sharp than the recordings' mels
  speechnar predict "$models/acoustic" "$models"/aligned/{train,dev}.jsonl.gz "$models/mels" \
    --features "$models/features"
}
tune() { # the vocoder, to speak from them
  train vocoder vocoder_predicted vocoder_predicted --init "$models/vocoder" --predicted "$models/mels"
}
export_voice() {
  mkdir -p "$models"/model/{acoustic,vocoder}
  cp "$models"/acoustic/{config.yaml,tokens.txt,model.safetensors} "$models/model/acoustic"
  cp "$models"/vocoder_predicted/{config.yaml,model.safetensors} "$models/model/vocoder"
  cp "$(conf voice)" "$models/model"
  speechnar export "$models/model" "$models/voice"
}
evaluate() { measure data "$models/aligned" "$models/evaluation"; }
measure() { # DATA ALIGNED OUT [--speaker NAME]
  local data=$1 aligned=$2 out=$3
  python ../copies.py "$models/voice" "$aligned/test.jsonl.gz" "$models/features" "$out/copies"
  speechnar evaluate tts --voice "$models/voice" --text "$data/test/text" --out "$out" "${@:4}"
  speechnar evaluate mos "$data/test.jsonl.gz" "$out/copies" --json "$out/mos.json"
  speechnar evaluate intrinsic "$out/copies" "$out/voice" --ref "$data/test.jsonl.gz" --json "$out/intrinsic.json"
  python ../voice_table.py "$aligned/test.jsonl.gz" "$out"
}
