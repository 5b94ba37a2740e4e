# What every run.sh shares: options, stages and their stamps, and training. `source` it first; it goes to the folder of
# the run.sh, wherever the run.sh is called from. Everything here runs in bash 3.2, the one of macOS.
#
# An option is a variable, set at the beginning of a line that ends in `#: KIND, what it is for`:
#
#     corpus=data/corpus #: DIR, the corpus, unpacked        -> --corpus DIR, relative to where run.sh is called
#     hours=100          #: 100|960, hours to train on       -> --hours 100 or --hours 960
#     max_steps=         #: N, batches                       -> --max-steps N, N of 1 or more
#     joint=false        #: train both at once               -> --joint, which sets it to true
#
# A line without `#:` further down changes the default.

# With these, the C library keeps memory that is free. Otherwise it takes memory from the system and gives it back in
# every step, which is a third of the time of small models.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456

unset CDPATH
caller=$PWD
recipes=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) # the folder of this file
cd "$(dirname "$0")"
option_files=(run.sh "$recipes/stages.sh")

stage=                             #: STAGE, the first one to run, done or not: a name or a number
stop_stage=                        #: STAGE, the last one to run
nj=$(getconf _NPROCESSORS_ONLN)    #: N, processes that prepare data
ngpu=1                             #: N, training processes, started by torchrun where there is more than one
threads=                           #: N, CPU threads of each training process, in place of the config's
max_steps=                         #: N, steps of each training, in place of the config's: 2 tries the recipe out

fail() { echo "run.sh: $1" >&2 && exit 1; }

# Prints `NAME KIND, what it is for` of each option, in the order of the files.
options() { sed -n 's/^\([a-z_]*\)=.*#: *\(.*\)$/\1 \2/p' "${option_files[@]}"; }

# Prints the comment at the top of run.sh, then the options and their defaults.
show_help() {
  local name text kind
  sed -n '2,/^[^#]/s/^#\( \|$\)//p' run.sh
  printf '\nOptions:\n'
  while read -r name text; do
    kind=${text%%, *}
    if [[ ${!name} == false ]]; then
      printf '  %-26s %s\n' "--${name//_/-}" "$text"
    else
      printf '  %-26s %s%s\n' "--${name//_/-} $kind" "${text#*, }" "${!name:+ (${!name})}"
    fi
  done < <(options)
}

# Sets the variables that "$@" names.
parse_options() {
  local option name kind value
  for option in ${@+"$@"}; do
    if [[ $option == --help || $option == -h ]]; then show_help && exit; fi
  done
  while (($#)); do
    option=${1%%=*}
    if [[ $option == --jobs ]]; then
      echo "run.sh: --jobs is now called --nj" >&2
      option=--nj
    fi
    name=${option#--} name=${name//-/_}
    kind=$(options | sed -n "s/^$name \([^,]*\).*/\1/p")
    [[ $option == --* && $kind ]] || fail "there is no option $1: ./run.sh --help lists them"
    if [[ ${!name} == false || ${!name} == true ]]; then
      [[ $1 != *=* ]] || fail "$option takes no value"
      printf -v "$name" true
      shift
      continue
    fi
    if [[ $1 == *=* ]]; then value=${1#*=}; else value=${2-}; fi
    if [[ $1 != *=* ]] && (($# > 1)); then shift; fi
    shift
    [[ $value ]] || fail "$option needs a value: $kind"
    case $kind in
      DIR) if [[ $value != /* ]]; then value=$caller/$value; fi ;;
      N) [[ $value =~ ^0*[1-9][0-9]{0,8}$ ]] || fail "$option is $value but should be a whole number of 1 or more" ;;
      *\|*) [[ "|$kind|" == *"|$value|"* ]] || fail "$option is $value but should be one of ${kind//|/, }" ;;
    esac
    printf -v "$name" %s "$value"
  done
}

# Runs the stages of a recipe in turn: run_stages DIR "NAME: NEED..."...
#
# A stage is a function. Each NEED is an option, whose value counts, or a file or folder. When a stage is done, its NEEDs
# are noted in DIR/.NAME.done (stamp.py). It is then skipped until one of them changes, or an earlier stage is done again.
# What it prints is shown and added to DIR/log/NAME.log.
run_stages() {
  local dir=$1 spec first last number later work changed
  local names=() needs=()
  for spec in "${@:2}"; do
    names+=("${spec%%:*}") needs+=("${spec#*:}")
  done
  first=$(stage_number --stage "${stage:-0}" "${names[@]}")
  last=$(stage_number --stop-stage "${stop_stage:-$((${#names[@]} - 1))}" "${names[@]}")
  ((first <= last)) || fail "--stage ${names[first]} comes after --stop-stage ${names[last]}: nothing is left to run"
  mkdir -p data "$dir/log"
  for ((number = first; number <= last; number++)); do
    work=${names[number]}
    changed=$(what_changed "$dir/.$work.done" ${needs[number]})
    if [[ ! $stage && ! $changed ]]; then
      echo "== stage $number: $work, done before"
      continue
    fi
    if [[ ! $changed || $changed == "not done" ]]; then changed=""; else changed=", $changed"; fi
    echo "== stage $number: $work$changed" | tee -a "$dir/log/$work.log"
    for ((later = number; later < ${#names[@]}; later++)); do # later stages are out of date too
      rm -f "$dir/.${names[later]}.done"
    done
    run_logged "$work" "$dir"
    mv "$dir/.$work.done.part" "$dir/.$work.done"
  done
}

# Prints the number of the stage that an option names: stage_number OPTION NUMBER|NAME STAGE...
stage_number() {
  local option=$1 value=$2 number list=""
  shift 2
  local names=("$@")
  for ((number = 0; number < ${#names[@]}; number++)); do
    list="$list, $number ${names[number]}"
    if [[ $value == "$number" || $value == "${names[number]}" ]]; then
      echo "$number"
      return
    fi
  done
  fail "$option is $value but should be one of ${list#, }"
}

# Prints why a stage has to be done, nothing if it is done: what_changed STAMP NEED...
what_changed() {
  local stamp=$1 need
  local sources=()
  for need in "${@:2}"; do
    if [[ $need == *[./]* ]]; then sources+=("$need"); else sources+=("$need=${!need}"); fi
  done
  python "$recipes/stamp.py" "$stamp" ${sources[@]+"${sources[@]}"}
}

# Runs a stage; a signal that ends run.sh ends the stage too: run_logged NAME DIR
#
# The stage is a process group of its own, so that one signal reaches all of its processes, and `tee` outlives them.
run_logged() {
  local log=$2/log/$1.log running=$2/.running group="" code=0
  if [[ -e $running && $(ps -o stat=,args= -p "$(<"$running")" 2>/dev/null) =~ ^[^Z].*run\.sh ]]; then
    fail "process $(<"$running") of an earlier run still works in $PWD/$2: wait for it, or end it"
  fi
  trap 'stop_stage_group INT 130' INT
  trap 'stop_stage_group TERM 143' TERM HUP
  set -m
  { "$1" 2>&1 </dev/null | (trap '' INT TERM HUP && exec tee -a "$log"); } &
  group=$!
  set +m
  echo "$group" >"$running"
  wait "$group" || code=$?
  trap - INT TERM HUP
  rm -f "$running"
  if ((code)); then
    echo "run.sh: the stage $1 failed: $PWD/$log has what it said" >&2
    exit "$code"
  fi
}
stop_stage_group() { # SIGNAL CODE
  trap '' INT TERM HUP
  kill -"$1" -- "-$group" 2>/dev/null || true
  wait "$group" 2>/dev/null || true
  rm -f "$running"
  exit "$2"
}

# Trains in `ngpu` processes: train_model MODEL CONFIG [OPTION...], as `speechnar train` takes them
train_model() {
  local limits="${threads:+--threads $threads} ${max_steps:+--max-steps $max_steps}"
  if ((ngpu > 1)); then
    torchrun --standalone --nproc_per_node "$ngpu" -m speechnar train "$@" $limits
  else
    speechnar train "$@" $limits
  fi
}
