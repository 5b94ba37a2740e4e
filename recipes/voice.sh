# The stages from a folder of recordings to a voice, for the run.sh of recipes that make one. Read after stages.sh.
#
# Such a recipe sets `corpus` (the folder) and `layout` (of `speechnar corpus import`), calls `parse_options`, and then
# `run_voice` with its own first stages. A config that its conf/ lacks is that of recipes/ljspeech/conf. Models that
# start from the voice `heart` are made in exp/tuned; those trained from random weights in exp/scratch, or in exp/full
# with the configs for a day of speech; with --joint in exp/tuned_joint or exp/scratch_joint.

option_files+=("$recipes/voice.sh")

from_scratch=false #: train from random weights, not from the voice `heart`
full=false         #: the same, with the configs for a day of speech and a GPU
dev=15             #: REGEX, names of the utterances to validate on, or how many
test=30            #: REGEX, names of the utterances to test on, or how many
language=          #: CODE, of the texts, in place of that of conf/voice.yaml: en-us, de, es ...
recognizer=        #: COMMAND, hears the voice for the word error rate (the package's; hear.py for other languages)
joint=false        # ljspeech, kerstin and own_voice have the option

run_voice() { # "STAGE: NEED..."...: the recipe's own first stages
  variant=tuned
  if [[ $from_scratch == true ]]; then variant=scratch; fi
  if [[ $full == true ]]; then variant=full; fi
  models=exp/$variant
  language=${language:-$(sed -n 's/^language: *//p' "$(conf voice)")}
  local both="max_steps $models/aligned/train.jsonl.gz $models/aligned/dev.jsonl.gz" audio learn
  audio=$(conf audio)
  if [[ $joint == true ]]; then
    [[ $variant != full ]] || fail "--joint aligns in every step, on the CPU: with --full leave it out"
    models=exp/${variant}_joint
    learn=("learn_jointly: max_steps data/train.jsonl.gz data/dev.jsonl.gz $audio $(joint_conf)")
    both="max_steps data/train.jsonl.gz data/dev.jsonl.gz"
  else
    learn=(
      "align: max_steps $(manifests) $audio $(conf aligner)"
      "features: $audio $models/aligned/train.jsonl.gz $models/aligned/dev.jsonl.gz $models/aligned/test.jsonl.gz"
      "acoustic: $both $(conf "$(variant_of acoustic)")"
    )
  fi
  aligned="--features $models/features --train $models/aligned/train.jsonl.gz --dev $models/aligned/dev.jsonl.gz"
  run_stages "$models" "$@" \
    "prepare: ${corpora_options:-corpus layout} language dev test $audio" \
    "${learn[@]}" \
    "acoustic_adversarial: $both $(conf "$(variant_of acoustic_adversarial)")" \
    "vocoder: $both $(conf "$(variant_of vocoder)")" \
    "vocoder_adversarial: $both $(conf vocoder_adversarial)" \
    "export_voice: language $(conf voice)" \
    "evaluate: recognizer"
}

conf() { # NAME: the recipe's own config, else that of recipes/ljspeech
  if [[ -e conf/$1.yaml ]]; then echo "conf/$1.yaml"; else echo "../ljspeech/conf/$1.yaml"; fi
}
variant_of() { if [[ $variant == tuned ]]; then echo "$1"; else echo "$1_$variant"; fi; } # CONFIG
joint_conf() { conf "$(variant_of joint)"; }
manifests() { echo data/train.jsonl.gz data/dev.jsonl.gz data/test.jsonl.gz; } # that are aligned

prepare() {
  local rate
  rate=$(python -c 'import sys, speechnar.config, speechnar.audio
print(speechnar.config.load(speechnar.audio.AudioConfig, sys.argv[1]).sample_rate)' "$(conf audio)")
  speechnar corpus import "$layout" "$corpus" data/all.jsonl.gz --fix --report data/import.tsv --jobs "$nj"
  speechnar corpus check data/all.jsonl.gz --language "$language" --sample-rate "$rate" --report data/check.tsv \
    --fix data/sound.jsonl.gz --jobs "$nj"
  speechnar corpus phonemize data/sound.jsonl.gz data/phones.jsonl.gz --language "$language" --jobs "$nj"
  speechnar corpus split data/phones.jsonl.gz data --dev "$dev" --test "$test"
  speechnar corpus export kaldi data/test.jsonl.gz data/test # its `text` has the sentences to speak
}
align() { align_of data exp/aligner "$models/aligned"; }
align_of() { # DATA ALIGNER OUT: finds when each phone is spoken, from these recordings alone
  train_model aligner "$(conf aligner)" --train "$1/train.jsonl.gz" --dev "$1/dev.jsonl.gz" --out "$2"
  write_durations "$@"
}
write_durations() { # DATA ALIGNER OUT
  local data=$1 aligner=$2 out=$3 offset=0 part
  if [[ $variant == tuned ]]; then offset=55; fi # `heart` speaks its phones so many ms before their durations say
  for part in train dev test; do
    speechnar align "$aligner" "$data/$part.jsonl.gz" "$out/$part.jsonl.gz" --audio "$(conf audio)" \
      --boundary-offset "$offset" --textgrids "$models/textgrids"
  done
}
features() { features_of "$models/aligned"; }
features_of() { # FOLDER of manifests
  speechnar features "$1"/{train,dev,test}.jsonl.gz "$models/features" --audio "$(conf audio)" --jobs "$nj"
}
learn_jointly() { # the aligner and the acoustic model at once, in place of align, features and acoustic
  features_of data
  train_from joint acoustic --features "$models/features" --train data/train.jsonl.gz --dev data/dev.jsonl.gz \
    --out "$models/acoustic"
  write_durations data "$models/acoustic/aligner" "$models/aligned"
  features # the durations alone are new
}
train_from() { # MODEL PART OPTION...: from that part of `heart`, or from random weights
  if [[ $variant == tuned ]]; then
    if [[ ! -d exp/heart ]]; then speechnar restore heart exp/heart; fi
    train_model "$1" "$(conf "$(variant_of "$1")")" "${@:3}" --init "exp/heart/$2"
  else
    train_model "$1" "$(conf "$(variant_of "$1")")" "${@:3}"
  fi
}
acoustic() { train_from acoustic acoustic $aligned --out "$models/acoustic"; }
acoustic_adversarial() { # the acoustic model goes on from where it is, against a discriminator
  train_model acoustic "$(conf "$(variant_of acoustic_adversarial)")" $aligned --out "$models/acoustic_adversarial" \
    --init "$models/acoustic"
}
vocoder() { train_from vocoder vocoder $aligned --out "$models/vocoder"; }
vocoder_adversarial() { # the vocoder goes on from where it is, against discriminators
  train_model vocoder "$(conf vocoder_adversarial)" $aligned --out "$models/vocoder_adversarial" \
    --init "$models/vocoder"
}
export_voice() {
  mkdir -p "$models"/model/{acoustic,vocoder}
  cp "$models"/acoustic_adversarial/{config.yaml,tokens.txt,model.safetensors} "$models/model/acoustic"
  cp "$models"/vocoder_adversarial/{config.yaml,model.safetensors} "$models/model/vocoder"
  sed "s/^language:.*/language: $language/" "$(conf voice)" >"$models/model/voice.yaml"
  speechnar export "$models/model" "$models/voice"
}
evaluate() { measure data "$models/aligned" "$models/evaluation"; }
measure() { # DATA ALIGNED OUT [--speaker NAME]
  local data=$1 aligned=$2 out=$3
  local hear=(${recognizer:+--recognizer "$recognizer"})
  if [[ ! $recognizer && $language != en* ]]; then
    hear=(--recognizer "python $recipes/hear.py --language ${language%%-*}")
  fi
  if [[ $language != en* ]]; then hear+=(--normalizer basic); fi
  python "$recipes/copies.py" "$models/voice" "$aligned/test.jsonl.gz" "$models/features" "$out/copies"
  speechnar evaluate tts --voice "$models/voice" --text "$data/test/text" --out "$out" \
    ${hear[@]+"${hear[@]}"} "${@:4}"
  speechnar evaluate mos "$data/test.jsonl.gz" "$out/copies" --json "$out/mos.json"
  speechnar evaluate intrinsic "$out/copies" "$out/voice" --ref "$data/test.jsonl.gz" --json "$out/intrinsic.json"
  python "$recipes/voice_table.py" "$aligned/test.jsonl.gz" "$out"
}
