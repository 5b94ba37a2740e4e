#!/usr/bin/env bash
# Images in parallel in about a minute: scikit-learn's digits -> tokens -> MaskGIT and its twin -> images -> check.
#
#     ./run.sh [OPTION...]
#
# Starts afresh each time, unless --stage is given; everything that it makes is in data/ and exp/.
set -euo pipefail
source "$(dirname "$0")/../../recipes/stages.sh"
parse_options "$@"
[[ $stage ]] || rm -rf data exp

mnist=../../recipes/mnist/local
splits="--train data/train.npz --dev data/test.npz"

prepare() { python local/prepare.py data; }
vqvae() { train_model vqvae conf/vqvae.yaml $splits --out exp/vqvae; }
classifier() { python $mnist/classifier.py data/train.npz data/test.npz exp/classifier.safetensors --steps 400; }
maskgit() { train_model image conf/maskgit.yaml --vqvae exp/vqvae $splits --out exp/maskgit; }
twin() { train_model image conf/image_transformer.yaml --vqvae exp/vqvae $splits --out exp/image_transformer; }
evaluate() { python $mnist/evaluate.py data exp --count 500; }
check() { python local/check.py exp/images.json; }

run_stages exp prepare: vqvae: classifier: maskgit: twin: evaluate: check:
