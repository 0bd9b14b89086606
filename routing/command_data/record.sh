#!/usr/bin/env bash
# Records a running server's reply to COMMAND as C++ string literals, one line a command, sorted by name.
#   redis-server --port 7000 --save "" --bind 127.0.0.1 &
#   routing/command_data/record.sh 127.0.0.1 7000 > routing/command_data/redis.inc
set -euo pipefail
export LC_ALL=C
host=${1:?usage: record.sh HOST PORT} port=${2:?usage: record.sh HOST PORT}

exec {server}<>"/dev/tcp/$host/$port"
printf 'INFO server\r\nCOMMAND\r\nQUIT\r\n' >&"$server"
reply=$(tr -d '\r' <&"$server")

version=$(sed -n 's/^redis_version://p' <<<"$reply")
# COMMAND's reply is what follows the first array header. An entry is complete when no element of it
# is still to come: a header *n announces n, anything else is one, and a bulk string has a second line.
entries=$(awk '
  /^\*/ && !started { started = 1; print substr($0, 2) "\t"; next }
  !started || $0 == "+OK" { next }
  { entry = entry $0 "\\r\\n"; to_come += /^\*/ ? substr($0, 2) - 1 : -1 }
  /^\$/ { getline; entry = entry $0 "\\r\\n"; if (name == "") name = $0 }
  to_come == -1 { gsub(/"/, "\\\"", entry); print name "\t\"" entry "\""; entry = name = ""; to_come = 0; next }
  ' <<<"$reply")

echo "// The reply of Redis $version to COMMAND, sorted by name. Made by record.sh: do not edit."
printf '"*%s\\r\\n"\n' "$(head -n 1 <<<"$entries" | cut -f 1)"
tail -n +2 <<<"$entries" | sort | cut -f 2-
