#!/usr/bin/env bash
# Entry point of the image postgres:<major>. It follows the documented behaviour of the official image
# (https://hub.docker.com/_/postgres): initialise an empty PGDATA, run /docker-entrypoint-initdb.d, then become
# the server. Where it starts as root, the data directory is given to the user postgres, and the rest is done as
# that user.
set -Eeuo pipefail

readonly INIT_DIRECTORY=/docker-entrypoint-initdb.d

say() { printf '%s\n' "$*"; }

refuse() {
  printf 'Error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# from_file NAME [DEFAULT]: the variable NAME gets the content of the file that NAME_FILE names, if that is set.
from_file() {
  local name=$1 value=${2:-} file_name="$1_FILE"
  if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
    refuse "both $name and $file_name are set (but are exclusive)"
  elif [[ -n ${!name:-} ]]; then
    value=${!name}
  elif [[ -n ${!file_name:-} ]]; then
    value=$(<"${!file_name}")
  fi
  export "$name=$value"
  unset "$file_name"
}

# as_postgres "$@": give PGDATA to the user postgres, and begin anew as that user.
as_postgres() {
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2>/dev/null || true
  find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
  find /var/run/postgresql \! -user postgres -exec chown postgres '{}' + 2>/dev/null || true
  HOME=/var/lib/postgresql exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$BASH_SOURCE" "$@"
}

# wants_server "$@": the command is postgres, and not only asked for its help or version.
wants_server() {
  [[ ${1:-} == postgres ]] || return 1
  local argument
  for argument in "${@:2}"; do
    case $argument in
      -'?' | --help | --describe-config | -V | --version | -C) return 1 ;;
    esac
  done
}

read_settings() {
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  : "${POSTGRES_HOST_AUTH_METHOD:=}"
}

require_password() {
  if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
    refuse "Database is uninitialized and superuser password is not specified." \
      "Set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) to a non-empty value for the superuser." \
      "" \
      "POSTGRES_HOST_AUTH_METHOD=trust would accept every connection without a password instead;" \
      "that is not recommended."
  fi
  if [[ $POSTGRES_HOST_AUTH_METHOD == trust ]]; then
    say "WARNING: POSTGRES_HOST_AUTH_METHOD is trust: anybody who reaches the port is any user, without a password." >&2
  fi
}

initialise() {
  local options=(--pgdata="$PGDATA" --username="$POSTGRES_USER")
  [[ -n ${POSTGRES_INITDB_WALDIR:-} ]] && options+=(--waldir="$POSTGRES_INITDB_WALDIR")
  # The image has this directory only in a cluster that is asked to run initdb no oftener than it has to.
  local program=initdb
  [[ ! -d /var/cache/initdb ]] || program=initdb-copied
  # The words of POSTGRES_INITDB_ARGS are split as a shell does. A crash of the machine during a rehearsal is no
  # risk worth the seconds that syncing takes.
  eval "$program --no-sync \"\${options[@]}\" --pwfile=<(printf '%s\\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
}

# The image's own defaults: reachable from outside, and a socket where Debian's packages have it as well.
adapt_configuration() {
  local file=$PGDATA/postgresql.conf
  sed -i -E \
    -e "s|^#?listen_addresses = '[^']*'|listen_addresses = '*'|" \
    -e "s|^#?unix_socket_directories = '[^']*'|unix_socket_directories = '/var/run/postgresql, /tmp'|" "$file"
  local method=$POSTGRES_HOST_AUTH_METHOD
  [[ -n $method ]] || method=$(postgres -C password_encryption -D "$PGDATA")
  printf '\n%s\n' "host all all all $method" >>"$PGDATA/pg_hba.conf"
}

# temporary_server start|stop [server options]: on the socket only, for the time of the initialisation.
temporary_server() {
  local action=$1
  shift
  if [[ $action == start ]]; then
    # As with initdb: nothing is synced while the data directory comes into being.
    set -- "$@" -c listen_addresses= -p "${PGPORT:-5432}" -c fsync=off
    pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
  else
    pg_ctl -D "$PGDATA" -m fast -w stop
  fi
}

process_sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc \
    --username "$POSTGRES_USER" --dbname "${POSTGRES_DB:-postgres}" "$@"
}

create_database() {
  local there
  there=$(POSTGRES_DB='' process_sql --set db="$POSTGRES_DB" --tuples-only \
    <<<"SELECT 1 FROM pg_database WHERE datname = :'db'")
  [[ -n $there ]] || POSTGRES_DB='' process_sql --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
}

run_init_files() {
  local file
  for file in "$INIT_DIRECTORY"/*; do
    case $file in
      *.sh)
        if [[ -x $file ]]; then
          say "$0: running $file"
          "$file"
        else
          say "$0: sourcing $file"
          . "$file"
        fi
        ;;
      *.sql) say "$0: running $file" && process_sql -f "$file" ;;
      *.sql.gz) say "$0: running $file" && gunzip -c "$file" | process_sql ;;
      *.sql.xz) say "$0: running $file" && xzcat "$file" | process_sql ;;
      *.sql.zst) say "$0: running $file" && zstd -dc "$file" | process_sql ;;
      *) say "$0: ignoring $file" ;;
    esac
  done
}

make_database_cluster() {
  require_password
  initialise
  adapt_configuration
  export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
  temporary_server start "${@:2}"
  create_database
  shopt -s nullglob
  run_init_files
  shopt -u nullglob
  temporary_server stop
  unset PGPASSWORD
  say
  say 'PostgreSQL init process complete; ready for start up.'
  say
}

[[ ${1:-} == -* ]] && set -- postgres "$@"

if wants_server "$@"; then
  [[ $(id -u) != 0 ]] || as_postgres "$@"
  read_settings
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2>/dev/null || true # a mount's root may belong to somebody else; the server will say so
  if [[ -s $PGDATA/PG_VERSION ]]; then
    say
    say 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
    say
  else
    make_database_cluster "$@"
  fi
fi

exec "$@"
