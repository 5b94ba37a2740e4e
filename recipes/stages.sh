# Read by the recipes' run.sh.

# Else the C library takes memory from the system and gives it back at every step, a third of the time of small models.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456

# Runs a recipe's stages, which are functions, in turn: run_stages FIRST LAST DONE_DIR NAME...
#
# A stage that is done is skipped (DONE_DIR/.N-NAME.done), until one before it is done again. FIRST is a number, from
# which on stages run, done or not; or empty.
run_stages() {
  local first=$1 last=$2 done_dir=$3
  shift 3
  local stages=("$@") number later work
  for ((number = ${first:-0}; number <= last && number < ${#stages[@]}; number++)); do
    work=${stages[number]}
    if [[ -z $first && -e $done_dir/.$number-$work.done ]]; then
      echo "== stage $number: $work, done before"
      continue
    fi
    echo "== stage $number: $work"
    for ((later = number; later < ${#stages[@]}; later++)); do # what rests on this stage is out of date
      rm -f "$done_dir/.$later-${stages[later]}.done"
    done
    "$work"
    touch "$done_dir/.$number-$work.done"
  done
}
