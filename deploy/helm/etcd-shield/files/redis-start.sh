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

users=$(sed -n 's/^user \([a-z]*\) on #.*/\1/p' /etc/redis/users.acl)
cat /etc/redis/users.acl >/run/redis/users.acl.new
for user in $users; do
    hashed=$(hash "$user")
    sed "s/^\(user $user on #\)[A-Z_]*/\1$hashed/" /run/redis/users.acl.new >/run/redis/users.acl.next
    mv /run/redis/users.acl.next /run/redis/users.acl.new
done
mv /run/redis/users.acl.new /run/redis/users.acl
exec redis-server /etc/redis/redis.conf
