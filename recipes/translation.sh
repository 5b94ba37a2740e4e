# The stages from pairs of texts to a table of translators, for the run.sh of recipes that make them. Read after stages.sh.
#
# Such a recipe defines `prepare`, which makes data/{train,dev,test}.tsv, sets `systems`, the names of its parallel
# systems' configs, calls `parse_options`, and then `run_translation` with what its stage `prepare` depends on.

option_files+=("$recipes/translation.sh")

subwords=4000 #: N, tokens of the vocabulary that both languages share
threads=1

train() { # NAME PAIRS OUT [OPTION...]: conf/NAME.yaml on data/PAIRS.tsv to exp/OUT
  train_model text2text "conf/$1.yaml" --tokenizer exp/tokenizer --train "data/$2.tsv" --dev data/dev.tsv \
    --out "exp/$3" "${@:4}"
}
parallel() { # PAIRS SUFFIX: the parallel systems, each from the weights of the twin
  local name
  for name in $systems; do
    train "$name" "$1" "$name$2" --init exp/ar
  done
}

tokenizer() { speechnar tokenizer data/train.tsv exp/tokenizer --subwords "$subwords"; }
ar() { train ar train ar; }
# The twin's own translations of the training sources, in place of people's; by beam, since students are hardly better than
# their teacher.
distill() {
  speechnar distill exp/ar data/train.tsv data/distilled.tsv --beam 4 --batch 64 --threads "$threads"
}
language_model() { # of the targets, which the prefix beam search of CTC may follow
  cut -f 2 data/train.tsv >exp/targets.txt
  speechnar lm train exp/targets.txt -o exp/lm --order 4
}
distilled() { parallel distilled ""; }
raw() { parallel train _raw; }
evaluate() { python ../translation_table.py data exp; }

run_translation() { # "NEED...": of the stage `prepare`
  export OMP_NUM_THREADS=$threads
  local learning="max_steps data/dev.tsv" name configs=""
  for name in $systems; do configs="$configs conf/$name.yaml"; done
  run_stages exp \
    "prepare: $1" \
    "tokenizer: subwords data/train.tsv" \
    "ar: $learning conf/ar.yaml data/train.tsv" \
    "distill: data/train.tsv" \
    "distilled: $learning $configs data/distilled.tsv" \
    "raw: $learning $configs data/train.tsv" \
    "language_model: data/train.tsv" \
    "evaluate: data/test.tsv data/dev.tsv"
}
