#!/bin/sh
# Makes what the stack keeps secret: a certificate for the webhook, and Redis' users with their passwords.
# Runs once per `docker compose up`, in an image with openssl; what is there and good for a month stays.
set -eu
umask 077

readonly month=2592000 # seconds
readonly owner=65532   # the services' user

# password USER DIRECTORY: make one in USER.password, and print the hash that Redis wants.
password() {
    openssl rand -hex 24 | tr -d '\n' >"/credentials/$2/$1.password"
    sha256sum <"/credentials/$2/$1.password" | cut -d' ' -f1
}

make_certificate() {
    cd "$(mktemp -d)"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 \
        -subj '/CN=etcd-shield compose stack' -keyout ca.key -out ca.crt \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign'
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -subj '/CN=haproxy' -keyout tls.key -out tls.csr
    printf '%s\n' 'subjectAltName=DNS:haproxy,DNS:admitter,DNS:localhost,IP:127.0.0.1' \
        'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
        'extendedKeyUsage=serverAuth' 'authorityKeyIdentifier=keyid' >extensions
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -days 397 -extfile extensions -out tls.crt
    # The authority's key goes no further than this directory, which ends with the container.
    cat ca.crt >/credentials/admitter/ca.crt
    cat tls.key >/credentials/admitter/tls.key
    cat tls.crt >/credentials/admitter/tls.crt
    chmod 444 /credentials/admitter/*.crt
}

make_users() {
    evaluator=$(password evaluator evaluator)
    admitter=$(password admitter admitter)
    operator=$(password operator redis)
    sed -e "s/EVALUATOR_HASH/$evaluator/" -e "s/ADMITTER_HASH/$admitter/" \
        -e "s/OPERATOR_HASH/$operator/" /users.acl >/credentials/redis/users.acl.new
    chmod 444 /credentials/redis/users.acl.new
    mv /credentials/redis/users.acl.new /credentials/redis/users.acl
}

if ! openssl x509 -noout -checkend "$month" -in /credentials/admitter/tls.crt >/dev/null 2>&1; then
    make_certificate
fi
if ! [ -s /credentials/redis/users.acl ]; then
    make_users
fi
chown -R "$owner:$owner" /credentials/evaluator /credentials/admitter /credentials/redis
echo 'Certificate and passwords are in place.'
