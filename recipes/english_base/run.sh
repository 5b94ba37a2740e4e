#!/usr/bin/env bash
# The recognizer `english_base`, from corpora and Whisper base to a recognizer folder in exp/english_base. README.md
# says what each stage does.
#
#     ./run.sh --corpora DIR [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpora=data/corpora #: DIR, the corpora as published: LibriSpeech, CMU Arctic, Kathleen, LJSpeech and AN4
tatoeba=             #: FILE, deu.txt of deu-eng.zip: its English sentences are spoken too
texts=               #: N, texts that the voice speaks, at most
utterances=140       #: N, training utterances that the weights are quantized for
averaged=0           #: 0|1, whether the decoder hears means of pairs of states
halved=0             #: 0|1|2|3|4|5|6, upper layers of the encoder that run on merged frames
parse_options "$@"

shared=../../../shared/data # the corpora, packed, if they are there
encoded=exp/encoded

unpack() {
  local name
  if [[ ! -d $corpora && -d $shared/librispeech ]]; then
    for name in librispeech an4 arctic kathleen ljspeech; do
      python "$shared/unpack.py" "$name" "data/corpora/$name"
    done
  fi
  [[ -d $corpora ]] || fail "there is no folder $corpora: give the folder of the corpora by --corpora"
}
prepare() { python local/prepare.py "$corpora" data --jobs "$nj"; }
speak() {
  python local/texts.py exp/texts.txt ${tatoeba:+--tatoeba "$tatoeba"}
  python local/speak.py exp/texts.txt exp/spoken data/spoken.jsonl.gz ${texts:+--limit "$texts"}
}
init_model() { python local/init_model.py exp/init; }
write() { # capitals, marks and digits for the transcripts that have none
  local split
  for split in dev train; do
    speechnar encode exp/init "data/$split.jsonl.gz" "$encoded/$split" --seed 1
    python local/write.py exp/init "$encoded/$split" "data/$split.jsonl.gz" "data/${split}_written.jsonl.gz"
  done
}
encode() {
  speechnar encode exp/init data/train_written.jsonl.gz "$encoded/varied" --seed 2 --variant conf/variant_varied.yaml
  speechnar encode exp/init data/spoken.jsonl.gz "$encoded/spoken" --seed 3 --variant conf/variant_spoken.yaml
}
draft() {
  train_model speculative conf/draft.yaml --init exp/init --dev "$encoded/dev/written.jsonl.gz" --out exp/draft \
    --train "$encoded"/{train/written,varied/cuts,spoken/cuts}.jsonl.gz
}
fine_tune() {
  train_model whisper conf/fine_tune.yaml --init exp/draft --dev data/dev_written.jsonl.gz --out exp/fine_tuned \
    --train data/{train_written,spoken}.jsonl.gz
}
average() { # the decoder hears means of pairs of states
  if [[ $averaged != 0 ]]; then
    [[ $halved == 0 ]] || fail "states are averaged or merged, not both: give one of --averaged and --halved"
    python local/average.py exp/fine_tuned exp/averaged_start
    train_model whisper conf/fine_tune_average.yaml --init exp/averaged_start --teacher exp/fine_tuned --out exp/averaged \
      --train data/{train_written,spoken}.jsonl.gz --dev data/dev_written.jsonl.gz
  fi
}
halve() {
  if [[ $halved != 0 ]]; then python local/halve.py exp/fine_tuned exp/halved --layers "$halved"; fi
}
quantize() {
  local model=fine_tuned
  if [[ $averaged != 0 ]]; then model=averaged; fi
  if [[ $halved != 0 ]]; then model=halved; fi
  speechnar quantize "exp/$model" data/train_written.jsonl.gz exp/recognizer --utterances "$utterances" \
    --variant conf/variant_varied.yaml
}
export_recognizer() {
  cp conf/card.yaml exp/recognizer/recognizer.yaml
  if [[ $averaged != 0 || $halved != 0 ]]; then # what is measured there is not
    grep -v "^measured" conf/card.yaml >exp/recognizer/recognizer.yaml
  fi
  speechnar export exp/recognizer exp/english_base
}
evaluate() {
  local split out
  for split in test_other test_read; do
    out=exp/evaluation/$split
    speechnar corpus export kaldi "data/$split.jsonl.gz" "$out"
    python ../transcribe.py exp/english_base "data/$split.jsonl.gz" "$out/hyp"
    speechnar evaluate wer --ref "$out/text" --hyp "$out/hyp" --utt2spk "$out/utt2spk" --normalizer whisper
  done
}

run_stages exp \
  "unpack:" \
  "prepare: corpora" \
  "speak: texts tatoeba" \
  "init_model:" \
  "write: data/dev.jsonl.gz data/train.jsonl.gz" \
  "encode: data/spoken.jsonl.gz conf/variant_varied.yaml conf/variant_spoken.yaml" \
  "draft: max_steps conf/draft.yaml" \
  "fine_tune: max_steps conf/fine_tune.yaml" \
  "average: averaged halved max_steps conf/fine_tune_average.yaml" \
  "halve: halved" \
  "quantize: averaged halved utterances conf/variant_varied.yaml" \
  "export_recognizer: conf/card.yaml" \
  "evaluate: data/test_other.jsonl.gz data/test_read.jsonl.gz"
