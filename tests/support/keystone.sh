#!/bin/bash
# Serves a real Keystone with an SQLite database on 127.0.0.1:PORT until its standard input ends.
#   HEARTH_TEST_CACHE=FOLDER keystone.sh DATA PORT
# DATA is made where it does not exist: user admin (password secret) with the role admin in project admin and in the
# system, and the roles admin, manager, member, reader and service. Several servers may share one DATA. Options can be
# given in the environment, such as OS_TOKEN__EXPIRATION=2.
set -eu
data=$1 port=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
export CACHE=${HEARTH_TEST_CACHE:-$root/target/test-cache}
export PYTHONWARNINGS=ignore
mkdir -p "$CACHE"

configure() {
    mkdir -p "$1"
    cat > "$1/keystone.conf" <<END
[DEFAULT]
transport_url = fake://
log_file = $1/keystone.log
[database]
connection = sqlite:///$1/keystone.sqlite
[fernet_tokens]
key_repository = $1/fernet
[credential]
key_repository = $1/credential
[identity]
password_hash_rounds = 4
[oslo_messaging_notifications]
driver = noop
END
}

prepare() {
    local as=()
    [ "$(id -u)" != 0 ] || as=(--keystone-user root --keystone-group root)
    manage() { "$CACHE/keystone/bin/keystone-manage" --config-file "$1/keystone.conf" "${@:2}"; }
    manage "$1" db_sync
    manage "$1" fernet_setup "${as[@]}"
    manage "$1" credential_setup "${as[@]}"
    manage "$1" bootstrap --bootstrap-password secret --bootstrap-region-id RegionOne \
        --bootstrap-public-url http://127.0.0.1/v3 --bootstrap-internal-url http://127.0.0.1/v3 \
        --bootstrap-admin-url http://127.0.0.1/v3
}

# Making the database takes longer than all tests: it is made once and copied.
(
    flock 9
    "$root/scripts/venv" keystone "$root/tests/support/keystone-requirements.txt"
    if ! cmp -s "$CACHE/keystone/.requirements" "$CACHE/keystone-data/.made"; then
        rm -rf "$CACHE/keystone-data"
        configure "$CACHE/keystone-data"
        prepare "$CACHE/keystone-data" > "$CACHE/keystone-data.log" 2>&1 || { tail -n 20 "$CACHE/keystone-data.log"; exit 1; }
        cp "$CACHE/keystone/.requirements" "$CACHE/keystone-data/.made"
    fi
) 9> "$CACHE/keystone.lock" >&2

if [ ! -e "$data/keystone.sqlite" ]; then
    mkdir -p "$data"
    cp -r "$CACHE/keystone-data/." "$data"
    configure "$data"
fi

export OS_KEYSTONE_CONFIG_FILES=$data/keystone.conf
# Keystone reads the arguments of its process, so that it gets none. One thread: writers of an SQLite database that wait
# for each other make Keystone answer 500.
"$CACHE/keystone/bin/python" - > "$data/server-$port.out" 2>&1 <<END &
import waitress
from keystone.wsgi.api import application
waitress.serve(application, host="127.0.0.1", port=$port, threads=1, ident=None)
END
server=$!
trap 'kill $server 2>/dev/null' EXIT
# Who starts this holds the other end of the pipe: when that process is gone, however it ended, so is this one.
exec 3<&0
cat <&3 > /dev/null &
input=$!
wait -n "$server" "$input"
