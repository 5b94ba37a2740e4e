#!/usr/bin/env bash
# The voice `heart`, from sentences to a voice folder in exp/heart. README.md says what each stage does.
#
#     ./run.sh [--stage N] [--stop-stage N] [--jobs N]
#
# A stage that is done is skipped (exp/.N-NAME.done), until one before it is done again; --stage N starts with stage N,
# done or not. Training that was stopped goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")"
source ../stages.sh

stage="" stop_stage=6 jobs=2
while (($#)); do
  case $1 in
    --stage) stage=${2:?--stage needs a number} ;;
    --stop-stage) stop_stage=${2:?--stop-stage needs a number} ;;
    --jobs) jobs=${2:?--jobs needs a number} ;;
    *) echo "run.sh: unknown option $1; known are --stage, --stop-stage and --jobs" >&2 && exit 2 ;;
  esac
  shift 2
done

shared=../../../shared/data # the corpus, packed, if it is there
train=data/train.jsonl.gz
dev=data/dev.jsonl.gz
splits=(--features exp/features --train "$train" --dev "$dev")

corpus() {
  if [[ -d $shared/heart ]]; then
    python "$shared/unpack.py" heart data/corpus
  fi
  if [[ ! -e data/package/voices/af_heart.bin ]]; then
    (cd data && npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz)
  fi
  teach=(python local/teacher.py --voice data/package/voices/af_heart.bin --jobs "$jobs")
  if [[ ! -d $shared/heart ]]; then
    "${teach[@]}" local/corpus.tsv data/corpus/heart
  fi
  "${teach[@]}" local/sentences.tsv data/corpus/extra
}
prepare() { python local/prepare.py data/corpus/heart data/corpus/extra data; }
features() { speechnar features "$train" "$dev" exp/features --audio conf/audio.yaml --jobs "$jobs"; }
acoustic() { speechnar train acoustic conf/acoustic.yaml "${splits[@]}" --out exp/acoustic; }
vocoder() { speechnar train vocoder conf/vocoder.yaml "${splits[@]}" --out exp/vocoder; }
export_voice() {
  mkdir -p exp/voice/acoustic exp/voice/vocoder
  cp exp/acoustic/{config.yaml,tokens.txt,model.safetensors} exp/voice/acoustic
  cp exp/vocoder/{config.yaml,model.safetensors} exp/voice/vocoder
  cp conf/voice.yaml exp/voice
  speechnar export exp/voice exp/heart
}
evaluate() { speechnar evaluate tts --voice exp/heart --text data/dev.tsv --out exp/evaluation; }

mkdir -p data exp
run_stages "$stage" "$stop_stage" exp \
  corpus prepare features acoustic vocoder export_voice evaluate
