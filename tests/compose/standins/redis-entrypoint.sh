#!/bin/sh
# As the image's own: options or a configuration file alone are redis-server's.
set -e
case ${1:-} in
-* | *.conf) set -- redis-server "$@" ;;
esac
exec "$@"
