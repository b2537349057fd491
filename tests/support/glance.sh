#!/bin/bash
# Serves a real Glance with an SQLite database and files as its store on 127.0.0.1:PORT until its standard input ends.
#   HEARTH_TEST_CACHE=FOLDER glance.sh DATA PORT [KEYSTONE_URL USER PROJECT]
# DATA is made where it does not exist. Without a Keystone everybody is an administrator. Options can be given in the
# environment, such as OS_DEFAULT__USER_STORAGE_QUOTA=1.
set -eu
data=$1 port=$2 keystone=${3:-} user=${4:-} project=${5:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
export CACHE=${HEARTH_TEST_CACHE:-$root/target/test-cache}
export PYTHONWARNINGS=ignore
mkdir -p "$CACHE"

configure() {
    # Without a Keystone nobody has a role, and today's rules would let nobody in.
    mkdir -p "$1/images" "$1/more" "$1/staging" "$1/tasks"
    cat > "$1/glance-api.conf" <<END
[DEFAULT]
transport_url = fake://
log_file = $1/glance.log
enabled_backends = first:file,second:file
node_staging_uri = file://$1/staging
[database]
connection = sqlite:///$1/glance.sqlite
[glance_store]
default_backend = first
[first]
filesystem_store_datadir = $1/images
[second]
filesystem_store_datadir = $1/more
[os_glance_staging_store]
filesystem_store_datadir = $1/staging
[os_glance_tasks_store]
filesystem_store_datadir = $1/tasks
[paste_deploy]
flavor = ${keystone:+keystone}
config_file = $CACHE/glance/etc/glance/glance-api-paste.ini
[oslo_policy]
enforce_new_defaults = $([ -n "$keystone" ] && echo true || echo false)
[oslo_messaging_notifications]
driver = noop
[oslo_concurrency]
lock_path = $1
END
    [ -z "$keystone" ] || cat >> "$1/glance-api.conf" <<END
[keystone_authtoken]
www_authenticate_uri = $keystone
auth_url = $keystone
auth_type = password
username = $user
password = secret
project_name = $project
user_domain_id = default
project_domain_id = default
service_token_roles_required = true
END
}

# Making the database takes longer than a test: it is made once and copied.
(
    flock 9
    "$root/scripts/venv" glance "$root/tests/support/glance-requirements.txt"
    if ! cmp -s "$CACHE/glance/.requirements" "$CACHE/glance-data/.made"; then
        rm -rf "$CACHE/glance-data"
        configure "$CACHE/glance-data"
        "$CACHE/glance/bin/glance-manage" --config-file "$CACHE/glance-data/glance-api.conf" db_sync \
            > "$CACHE/glance-data.log" 2>&1 || { tail -n 20 "$CACHE/glance-data.log"; exit 1; }
        cp "$CACHE/glance/.requirements" "$CACHE/glance-data/.made"
    fi
) 9> "$CACHE/glance.lock" >&2

if [ ! -e "$data/glance.sqlite" ]; then
    mkdir -p "$data"
    cp -r "$CACHE/glance-data/." "$data"
fi
configure "$data"

export OS_GLANCE_CONFIG_DIR=$data
"$CACHE/glance/bin/uwsgi" --http-socket "127.0.0.1:$port" --module glance.wsgi.api:application --master --lazy-apps \
    --processes 2 --enable-threads --die-on-term --need-app --disable-logging --buffer-size 65535 --socket-timeout 60 \
    --http-timeout 60 > "$data/server-$port.out" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null' EXIT
# Who starts this holds the other end of the pipe: when that process is gone, however it ended, so is this one.
exec 3<&0
cat <&3 > /dev/null &
input=$!
wait -n "$server" "$input"
