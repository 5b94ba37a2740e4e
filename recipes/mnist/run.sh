#!/usr/bin/env bash
# Images of digits, all tokens in parallel, and the same one token after another: from MNIST's files to one table.
#
#     ./run.sh [OPTION...]
#
# A stage that is done is skipped, until one before it is done again or what it depends on changes. Training that was
# stopped goes on from its last checkpoint. README.md has the stages.
set -euo pipefail
source "$(dirname "$0")/../stages.sh"

corpus=data/corpus #: DIR, the four idx files of MNIST, packed or not
guidance=1         #: N, guidance of the guided systems
threads=1
parse_options "$@"

shared=../../../shared/data/mnist # the corpus, if it is there
export OMP_NUM_THREADS=1
if [[ ! -d $corpus && -d $shared ]]; then corpus=$shared; fi

splits="--train data/train.npz --dev data/dev.npz"

prepare() { python local/prepare.py "$corpus" data; }
vqvae() { train_model vqvae conf/vqvae.yaml $splits --out exp/vqvae; }
classifier() {
  python local/classifier.py data/train.npz data/dev.npz exp/classifier.safetensors ${max_steps:+--steps $max_steps}
}
maskgit() { train_model image conf/maskgit.yaml --vqvae exp/vqvae $splits --out exp/maskgit; }
twin() { train_model image conf/image_transformer.yaml --vqvae exp/vqvae $splits --out exp/image_transformer; }
evaluate() { python local/evaluate.py data exp --guidance "$guidance"; }

images="data/train.npz data/dev.npz"
run_stages exp \
  "prepare: corpus" \
  "vqvae: max_steps conf/vqvae.yaml $images" \
  "classifier: max_steps $images" \
  "maskgit: max_steps conf/maskgit.yaml $images" \
  "twin: max_steps conf/image_transformer.yaml $images" \
  "evaluate: guidance data/test.npz"
