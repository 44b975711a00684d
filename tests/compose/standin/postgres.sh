# Makes the database that POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD name, if there is none, and serves it.
set -eu
folder=/var/lib/postgresql/data/cluster
if [ ! -d "$folder" ]; then
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --pgdata="$folder" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$folder/pg_hba.conf"
    pg_ctl --pgdata="$folder" --options="-c listen_addresses='' -k /tmp" --wait start
    createdb --host=/tmp --username="$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl --pgdata="$folder" --mode=fast --wait stop
fi
exec postgres -D "$folder" -c listen_addresses='*'
