#!/usr/bin/env bash
# Starts a real Odoo 19 on loopback, for tests against software that Baton did not write; `run.sh` beside this file uses it.
#
#   run-odoo.sh start [DIR]    sets up (some three minutes the first time, seconds after that) and starts
#   run-odoo.sh reset DIR      back to the freshly installed database (seconds)
#   run-odoo.sh stop  DIR      stops the two servers it started, by their own process ids
#
# Everything stays in DIR: Odoo from Debian's own archive (package odoo-19 of suite sid, LGPL-3, checked with Debian's archive
# key), its Python libraries from PyPI, a PostgreSQL cluster of its own. The machine's own apt settings are not touched.
# Needs: apt-get and dpkg-deb (Debian or a relative), python3 3.10 to 3.13 with venv, PostgreSQL 13 or newer, curl, and to be root
# or the user postgres. About 720 MB of disk and 140 MB of memory besides PostgreSQL's.
#
# After `start`, DIR/env holds ODOO_URL, ODOO_DB, ODOO_KEY (administrator), ODOO_REP_KEY and ODOO_REP_ID (a salesperson).
# HTTP_PORT and PG_PORT choose the ports, PYTHON the interpreter. The suite sid moves: a failure here is not one of Baton.
set -euo pipefail

cmd=${1:-start}
dir=${2:-$(mktemp -d)}
mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
http_port=${HTTP_PORT:-18069}
pg_port=${PG_PORT:-55432}
db=odoo19
py=${PYTHON:-python3}
lib=$dir/odoo/usr/lib/python3/dist-packages
pgbin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
pg_user=postgres
say() { printf '%s\n' "$*" >&2; }
as_pg() { if [ "$(id -un)" = "$pg_user" ]; then "$@"; else setpriv --reuid="$pg_user" --regid="$pg_user" --clear-groups env HOME=/tmp "$@"; fi; }
odoo() { PYTHONPATH=$lib PYTHONWARNINGS=ignore "$dir/venv/bin/python" "$dir/odoo/usr/bin/odoo" "$@"; }
sql() { psql -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U postgres -d "${2:-postgres}" -c "$1"; }

fetch_package() {
  [ -e "$lib/odoo/release.py" ] && return
  say "taking the Debian package odoo-19 …"
  # The archive this machine already uses, read from its own apt sources; only the suite differs,
  # and only for this one private apt folder: the machine's own apt set-up is not touched.
  local uri apt=$dir/apt
  uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:/ && $2 ~ /\/debian\/?$/ {print $2; exit}')
  [ -n "$uri" ] || uri=$(awk '$1 == "deb" && $0 ~ /\/debian\/? / {for (i = 2; i <= NF; i++) if ($i ~ /\/debian\/?$/) {print $i; exit}}' /etc/apt/sources.list)
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s sid main\n' "$uri" > "$apt/sources.list"
  printf 'Dir::Etc::sourcelist "%s";\nDir::Etc::sourceparts "-";\nDir::State::lists "%s";\nDir::Cache "%s";\nAPT::Sandbox::User "root";\n' \
    "$apt/sources.list" "$apt/lists" "$apt/cache" > "$apt/apt.conf"
  (cd "$apt" && APT_CONFIG=$apt/apt.conf apt-get -qq update && APT_CONFIG=$apt/apt.conf apt-get -qq download odoo-19)
  mkdir -p "$dir/odoo"
  # Less the translations and the data of the national localisations, which fill half the disk space. The other
  # apps' manifests must stay even though they are never installed: Odoo's base module reads its categories from them.
  dpkg-deb --fsys-tarfile "$apt"/odoo-19_*.deb | tar x -C "$dir/odoo" \
    --exclude='*/i18n' --exclude='*/addons/l10n_*/data' --exclude='*/addons/l10n_*/static' --exclude='*/addons/theme_*/static'
  rm -rf "$apt"
}

make_venv() {
  [ -e "$dir/venv/.done" ] && return
  say "installing Odoo's Python libraries …"
  "$py" -m venv "$dir/venv"
  "$dir/venv/bin/pip" install -q --disable-pip-version-check asn1crypto==1.5.1 babel==2.18.0 cbor2==6.2.1 \
    chardet==7.7.0 cryptography==43.0.3 docutils==0.23 freezegun==1.5.5 geoip2==5.3.0 gevent==26.9.0 greenlet==3.5.6 \
    idna==3.20 Jinja2==3.1.6 libsass==0.23.0 lxml==6.1.3 lxml_html_clean==0.4.6 MarkupSafe==3.0.4 num2words==0.5.14 \
    ofxparse==0.21 openpyxl==3.1.5 passlib==1.7.4 pillow==13.0.0 polib==1.2.0 psutil==7.2.2 psycopg2-binary==2.9.13 \
    pyOpenSSL==25.1.0 pypdf==7.1.0 pyserial==3.5 python-dateutil==4.0.0 python-magic==0.4.27 python-stdnum==2.2 \
    pytz==2026.6 pyusb==1.3.1 qrcode==8.2 reportlab==5.1.0 requests==2.34.2 rjsmin==1.3.0 urllib3==2.8.0 vobject==0.9.9 \
    Werkzeug==3.0.6 xlrd==2.0.2 xlsxwriter==3.3.1 xlwt==1.3.0 zeep==4.3.3
  touch "$dir/venv/.done"
}

start_postgres() {
  if [ ! -e "$dir/pg/data/PG_VERSION" ]; then
    mkdir -p "$dir/pg"; chmod 755 "$dir"; chown "$pg_user" "$dir/pg"
    as_pg "$pgbin/initdb" -D "$dir/pg/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 > /dev/null
  fi
  as_pg "$pgbin/pg_ctl" -D "$dir/pg/data" status > /dev/null 2>&1 ||
    as_pg "$pgbin/pg_ctl" -D "$dir/pg/data" -l "$dir/pg/log" -w start \
      -o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir/pg -c fsync=off" > /dev/null
  [ "$(sql "select count(*) from pg_roles where rolname = 'odoo'")" = 1 ] || sql 'create role odoo login createdb'
}

write_conf() {
  cat > "$dir/odoo.conf" <<CONF
[options]
db_host = 127.0.0.1
db_port = $pg_port
db_user = odoo
db_name = $db
dbfilter = ^$db\$
list_db = False
http_interface = 127.0.0.1
http_port = $http_port
addons_path = $lib/odoo/addons
data_dir = $dir/data
with_demo = True
workers = 0
max_cron_threads = 0
limit_time_real = 1200
limit_time_cpu = 1200
CONF
}

make_database() {
  [ "$(sql "select count(*) from pg_database where datname = '${db}_fresh'")" = 1 ] && return
  say "creating the CRM's database, with Odoo's own demonstration leads …"
  sql "drop database if exists $db" 2> /dev/null
  odoo -c "$dir/odoo.conf" -i crm,rpc,base_automation --stop-after-init > "$dir/init.log" 2>&1 ||
    { say "Odoo could not make its database: see $dir/init.log"; exit 1; }
  odoo shell -c "$dir/odoo.conf" --no-http --log-level=error > "$dir/keys.log" 2>&1 <<PY
from datetime import datetime, timedelta
until = datetime.now() + timedelta(days=60)
rep = env['res.users'].with_context(no_reset_password=True).create({'name': 'Rita Rep', 'login': 'rita', 'email': 'rita@example.com',
    'group_ids': [(6, 0, [env.ref('base.group_user').id, env.ref('sales_team.group_sale_salesman').id])]})
key = lambda user: env['res.users.apikeys'].with_user(user)._generate('rpc', 'connector', until)
lines = [f"export ODOO_URL=http://127.0.0.1:$http_port", "export ODOO_DB=$db",
         f"export ODOO_KEY={key(env.ref('base.user_admin'))}", f"export ODOO_REP_KEY={key(rep)}", f"export ODOO_REP_ID={rep.id}"]
env.cr.commit()
open('$dir/env', 'w').write('\n'.join(lines) + '\n')
PY
  chmod 600 "$dir/env"
  sql "create database ${db}_fresh template $db owner odoo"
}

stop_odoo() {
  [ -e "$dir/odoo.pid" ] || return 0
  local pid; pid=$(cat "$dir/odoo.pid")
  kill "$pid" 2> /dev/null || true
  for _ in $(seq 50); do kill -0 "$pid" 2> /dev/null || break; sleep 0.2; done
  rm -f "$dir/odoo.pid"
}

start_odoo() {
  PYTHONPATH=$lib PYTHONWARNINGS=ignore setsid "$dir/venv/bin/python" "$dir/odoo/usr/bin/odoo" -c "$dir/odoo.conf" >> "$dir/odoo.log" 2>&1 < /dev/null &
  echo $! > "$dir/odoo.pid"
  for _ in $(seq 120); do
    curl -sf -o /dev/null "http://127.0.0.1:$http_port/web/version" && { say "Odoo answers on 127.0.0.1:$http_port; settings in $dir/env"; echo "$dir"; return; }
    kill -0 "$(cat "$dir/odoo.pid")" 2> /dev/null || break
    sleep 0.5
  done
  say "Odoo did not start: see $dir/odoo.log"; exit 1
}

case $cmd in
  start) fetch_package; make_venv; write_conf; start_postgres; make_database; stop_odoo; start_odoo ;;
  reset) stop_odoo; sql "drop database if exists $db"; sql "create database $db template ${db}_fresh owner odoo"; start_odoo ;;
  stop) stop_odoo; as_pg "$pgbin/pg_ctl" -D "$dir/pg/data" -m fast stop > /dev/null ;;
  *) say "usage: run-odoo.sh start [DIR] | stop DIR | reset DIR"; exit 2 ;;
esac
