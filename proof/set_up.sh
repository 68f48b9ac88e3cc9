#!/usr/bin/env bash
# Prepares a folder for prove.py: a PostgreSQL server, pretix and Airflow in environments of their own, empty databases.
#
#   proof/set_up.sh FOLDER     repeats only what is missing; starts the server if it does not run
#
# Needs the programs of PostgreSQL 15 or later (PG_BIN, else `pg_config --bindir`) and Python 3.11.
set -euo pipefail
folder=$(mkdir -p "${1:?folder}" && cd "$1" && pwd)
port=${PROOF_PORT:-54999}
bin=${PG_BIN:-$(pg_config --bindir)}
cd "$folder"

# PostgreSQL refuses to run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
query() { "$bin/psql" -qAt -h 127.0.0.1 -p "$port" -U postgres postgres -c "$1"; }
is_there() { [ "$(query "SELECT count(*) FROM pg_database WHERE datname = '$1'")" = 1 ]; }

if ! "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then
  if [ ! -s server/PG_VERSION ]; then
    mkdir -p server
    [ "$(id -u)" != 0 ] || chown postgres server
    as_postgres "$bin/initdb" -D server -U postgres -A trust -E UTF8 --locale=C.UTF-8 > initdb.log
  fi
  as_postgres "$bin/pg_ctl" -D "$folder/server" -w -l "$folder/server/log" start \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c timezone=UTC" > pg_ctl.log
fi

if [ ! -e pretix_venv ]; then
  python3.11 -m venv pretix_venv
  pretix_venv/bin/pip install -q pretix==2026.8.0
fi
if [ ! -e airflow_venv ]; then
  python3.11 -m venv airflow_venv
  airflow_venv/bin/pip install -q apache-airflow==3.3.2 apache-airflow-providers-fab==3.10.2 \
    apache-airflow-providers-postgres apache-airflow-providers-standard asyncpg psycopg2-binary 'psycopg[binary]'
fi

mkdir -p pretix_data
cat > pretix.cfg <<END
[pretix]
datadir=$folder/pretix_data
url=http://localhost
ecb_rates=off
update_check=off
[database]
backend=postgresql
name=pretix
user=postgres
host=127.0.0.1
port=$port
[django]
secret=only-for-the-proof
debug=off
[mail]
from=proof@localhost
END
if ! is_there pretix; then
  query "CREATE DATABASE pretix"
  PRETIX_CONFIG_FILE=$folder/pretix.cfg pretix_venv/bin/python -m pretix migrate > pretix_migrate.log 2>&1
fi

if ! is_there airflow; then
  query "CREATE DATABASE airflow"
  export AIRFLOW_HOME=$folder/airflow_home AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://postgres@127.0.0.1:$port/airflow
  export AIRFLOW__CORE__AUTH_MANAGER=airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
  PATH=$folder/airflow_venv/bin:$PATH airflow db migrate > airflow_migrate.log 2>&1
  # Its web application writes roles and rights when it starts for the first time; not while rows are compared.
  airflow_venv/bin/python -c "from airflow.providers.fab.www.app import create_app; create_app(enable_plugins=False)" \
    >> airflow_migrate.log 2>&1
fi
echo "$folder is ready; the server listens on 127.0.0.1:$port"
