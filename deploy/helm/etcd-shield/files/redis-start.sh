#!/bin/sh
# Start Redis with the users of users.acl. Passwords come from a Secret; only their hashes are written, to memory.
set -eu
umask 077

# Print the SHA-256 of a user's password, without white space around it, as the services read it.
hash() {
    password=$(cat "/etc/redis-passwords/$1-password")
    password=${password#"${password%%[![:space:]]*}"}
    password=${password%"${password##*[![:space:]]}"}
    if [ -z "$password" ]; then
        echo "The Secret's $1-password is empty." >&2
        return 1
    fi
    printf %s "$password" | sha256sum | cut -d ' ' -f 1
}

evaluator=$(hash evaluator)
admitter=$(hash admitter)
sed -e "s/EVALUATOR_HASH/$evaluator/" -e "s/ADMITTER_HASH/$admitter/" /etc/redis/users.acl >/run/redis/users.acl
exec redis-server /etc/redis/redis.conf
