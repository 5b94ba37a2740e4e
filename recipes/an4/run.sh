#!/usr/bin/env bash
# NAR recognizers and their autoregressive twin on AN4, from the corpus to one table. README.md has the stages.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint. Models are trained two at a time, with one thread each; what they print goes
# to exp/log/NAME.log.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=data/corpus/an4 #: DIR, the folder an4 of CMU's an4_sphere.tar.gz, unpacked
threads=1
pretrain=no            #: yes|no, also train CTC from an encoder that was pre-trained on the audio by BEST-RQ
encoder=               #: NAME, DIR or hf:owner/name of transformers: also train CTC together with this encoder
parse_options "$@"
if [[ -n $encoder && $encoder != /* && -f $caller/$encoder/config.json ]]; then encoder=$caller/$encoder; fi

shared=../../../shared/data # the corpus, packed, if it is there
export OMP_NUM_THREADS=1

train() { # NAME UNITS [OPTION...]: conf/NAME.yaml to exp/NAME
  train_model recognizer "conf/$1.yaml" --tokenizer "exp/$2" --train data/train.jsonl.gz --dev data/dev.jsonl.gz \
    --out "exp/$1" "${@:3}" &>"exp/log/$1.log"
}

both() { # waits for the two trainings begun last; fails if one of them did
  local failed=0 pid
  for pid in $(jobs -p); do
    wait "$pid" || failed=1
  done
  ((!failed)) || fail "training failed: read the end of the logs that are named as the models, in exp/log"
}

unpack() {
  if [[ ! -d $corpus/etc && -d $shared/an4 ]]; then
    python "$shared/unpack.py" an4 data/corpus
  fi
  [[ -d $corpus/etc ]] || fail "$corpus holds no AN4: unpack an4_sphere.tar.gz of CMU there, or give --corpus"
}
prepare() { python local/prepare.py "$corpus" data; }
tokenizer() {
  speechnar tokenizer data/train.jsonl.gz exp/characters
  speechnar tokenizer data/train.jsonl.gz exp/subwords --subwords 100
}
encoders() {
  train ctc_self characters &
  train ctc_self_subwords subwords &
  both
}
decoders() {
  train mask characters --init exp/ctc_self &
  train ar characters --init exp/ctc_self &
  both
}
decoders_subwords() {
  train mask_subwords subwords --init exp/ctc_self_subwords &
  train ar_subwords subwords --init exp/ctc_self_subwords &
  both
}
plain() {
  train ctc characters &
  train ctc_inter characters &
  both
}
consistency() { train cr_ctc characters; }
blockwise() { # from the encoder that sees whole utterances
  local delay
  for delay in 03 06 12; do train "ctc_self_block_$delay" characters --init exp/ctc_self; done
}
pretrained() {
  [[ $pretrain == yes ]] || return 0
  train_model pretraining conf/best_rq.yaml --train data/train.jsonl.gz --dev data/dev.jsonl.gz --out exp/best_rq \
    &>exp/log/best_rq.log
  train_model recognizer conf/ctc.yaml --tokenizer exp/characters --train data/train.jsonl.gz --dev data/dev.jsonl.gz \
    --init exp/best_rq --out exp/ctc_pretrained &>exp/log/ctc_pretrained.log
}
finetuned() {
  [[ -n $encoder ]] || return 0
  train ctc_finetuned characters --init "$encoder"
}
evaluate() { python local/evaluate.py data exp; }

learning="max_steps data/train.jsonl.gz data/dev.jsonl.gz"
run_stages exp \
  "unpack:" \
  "prepare: corpus" \
  "tokenizer: data/train.jsonl.gz" \
  "encoders: $learning conf/ctc_self.yaml conf/ctc_self_subwords.yaml" \
  "decoders: $learning conf/mask.yaml conf/ar.yaml" \
  "decoders_subwords: $learning conf/mask_subwords.yaml conf/ar_subwords.yaml" \
  "plain: $learning conf/ctc.yaml conf/ctc_inter.yaml" \
  "consistency: $learning conf/cr_ctc.yaml" \
  "blockwise: $learning conf/ctc_self_block_03.yaml conf/ctc_self_block_06.yaml conf/ctc_self_block_12.yaml" \
  "pretrained: $learning pretrain conf/best_rq.yaml conf/ctc.yaml" \
  "finetuned: $learning encoder conf/ctc_finetuned.yaml" \
  "evaluate: data/test.jsonl.gz data/dev.jsonl.gz"
