#!/usr/bin/env bash
# Takes every safeguard of docs/promises.md out, one at a time, and demands that a test named beside it turns red.
#
#   tests/mutations/run.sh                  all of them
#   tests/mutations/run.sh evidence caps    these
#
# Works on a copy of what is committed. Each patch puts a switch into its safeguard (`switch.rs`), so that as many as fit beside
# each other are compiled at once and tried one by one: the environment says which is off. First every test must be green with
# all switches on. Ends non-zero if a safeguard can be taken out unnoticed, or if a patch does not apply.
#
# CARGO_TARGET_DIR shares compiled dependencies with other builds (default: target/). BATON_MUTATION_SECONDS bounds one test.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
commit=$(git -C "$root" rev-parse --short HEAD)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} CARGO_TERM_COLOR=never
seconds=${BATON_MUTATION_SECONDS:-600}
copy=$(mktemp -d)
git -C "$root" worktree add --quiet --detach "$copy/tree" HEAD || exit 1
trap 'git -C "$root" worktree remove --force "$copy/tree"; rm -rf "$copy"' EXIT
cd "$copy/tree" || exit 1

# patch, then its tests, from the rows of the table.
rows=$(awk -F'|' '/^\| [0-9]+ \|/ { split($5, patch, "`"); tests = ""; count = split($6, part, "`")
  for (i = 2; i <= count; i += 2) tests = tests " " part[i]
  if (patch[2] != "") print patch[2] tests }' docs/promises.md)
if [ $# -gt 0 ]; then rows=$(for name in "$@"; do grep "^$name " <<<"$rows" || echo "$name"; done); fi

# run <test>: is it green? 2 if there is no such test.
run() {
  local path=${1%%::*} name=${1##*::} out binary
  case $path in src/*) binary=$lib ;; *) binary=$it ;; esac
  out=$(timeout "$seconds" "$binary" --include-ignored "::$name" 2>&1)
  local code=$?
  grep -q 'running 0 tests' <<<"$out" && return 2
  return $code
}

survived=0 tried=0
report() { printf '%-22s %-9s %s\n' "$1" "$2" "$3"; }
waiting=$rows
while [ -n "$waiting" ]; do
  git reset --quiet --hard HEAD && git clean --quiet -fd
  cp "$root/tests/mutations/switch.rs" src/mutation.rs
  printf '\n#[allow(missing_docs)]\npub mod mutation;\n' >>src/lib.rs
  now='' later=''
  while read -r row; do
    name=${row%% *}
    if git apply "$root/tests/mutations/$name.patch" 2>/dev/null; then now+="$row"$'\n'; else later+="$row"$'\n'; fi
  done <<<"$waiting"
  if [ -z "$now" ]; then
    while read -r row; do report "${row%% *}" 'NO PATCH' 'does not apply'; survived=$((survived + 1)); done <<<"${later%$'\n'}"
    break
  fi
  built=$(cargo test --lib --test it --no-run 2>&1) || { echo "$built"; echo 'the copy does not compile'; exit 1; }
  lib=$(sed -n 's/.*Executable unittests src\/lib.rs (\(.*\))/\1/p' <<<"$built")
  it=$(sed -n 's/.*Executable tests\/it\/main.rs (\(.*\))/\1/p' <<<"$built")
  case $lib in /*) ;; *) lib=$PWD/$lib it=$PWD/$it ;; esac
  unset BATON_MUTATION
  red_before=''
  for test in $(cut -s -d' ' -f2- <<<"$now" | tr ' ' '\n' | sort -u); do
    run "$test" || { red_before+=" $test"; report '(none)' RED "$test is red, or not there, with every safeguard in place"; survived=$((survived + 1)); }
  done
  while read -r row; do
    name=${row%% *} tried=$((tried + 1)) verdict=SURVIVED by=''
    for test in $(cut -s -d' ' -f2- <<<"$row"); do
      case " $red_before " in *" $test "*) continue ;; esac
      BATON_MUTATION=$name run "$test" || { verdict=red; by+=" ${test##*::}"; }
    done
    report "$name" "$verdict" "${by# }"
    [ $verdict = red ] || survived=$((survived + 1))
  done <<<"${now%$'\n'}"
  waiting=${later%$'\n'}
done
printf '\n%s safeguards taken out of %s; %s problems\n' "$tried" "$commit" "$survived"
[ "$survived" = 0 ]
