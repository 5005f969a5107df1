#!/usr/bin/env bash
# The Odoo connector against a real Odoo 19: the ten traps of a real server and every write (tests/it/odoo_real/).
#
#   tests/odoo/run.sh [FILTER]      FILTER: only tests whose name holds it, such as trap_01
#
# Which Odoo:
#   BATON_ODOO_ENV=FILE     one that runs already; FILE holds ODOO_URL, ODOO_DB, ODOO_KEY, ODOO_REP_KEY and ODOO_REP_ID.
#                           The tests make records in it: never name one that people work with.
#   BATON_RUN_ODOO=SCRIPT   else one that SCRIPT starts (default: run-odoo.sh beside this file), in BATON_ODOO_DIR
#                           (default: a folder of its own under /tmp, kept between runs, for the second start takes seconds).
#                           It is stopped afterwards.
#
# Exit codes: 0 all passed; 1 a test failed; 75 no Odoo could be had and NOTHING WAS TESTED.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
script=${BATON_RUN_ODOO:-$here/run-odoo.sh}
dir=${BATON_ODOO_DIR:-${TMPDIR:-/tmp}/baton-odoo-$(id -u)}

skipped() {
  printf '\n%s\n' "****************************************************************************" >&2
  printf '%s\n' "**  SKIPPED: no real Odoo. Nothing was tested against real software." >&2
  printf '**  %s\n' "$@" >&2
  printf '%s\n\n' "****************************************************************************" >&2
  exit 75
}

if [ -n "${BATON_ODOO_ENV:-}" ]; then
  [ -r "$BATON_ODOO_ENV" ] || skipped "BATON_ODOO_ENV names $BATON_ODOO_ENV, which cannot be read."
else
  [ -r "$script" ] || skipped "BATON_RUN_ODOO names $script, which cannot be read."
  bash "$script" start "$dir" || skipped "$script could not start one; its last words are above, its logs in $dir."
  trap 'bash "$script" stop "$dir"' EXIT
  export BATON_ODOO_ENV=$dir/env
fi

url=$(sed -n 's/^\(export \)\{0,1\}ODOO_URL=//p' "$BATON_ODOO_ENV")
curl -sf -o /dev/null --max-time 10 "$url/web/version" || skipped "$url does not answer."

cd "$here/../.." || exit 1
# One at a time: they share one server, and some of them measure what happens at the same moment.
# The main job comes last: it takes two minutes.
cargo test --test it "odoo_real::${1:-}" -- --ignored --test-threads 1 || exit 1
[ -n "${1:-}" ] || cargo test --test it main_job_real:: -- --ignored || exit 1
