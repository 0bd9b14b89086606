#!/bin/bash
# redis-cli doing ordinary work through weir: commands, RESP3, pipes, scans, statistics, scripts.
set -euo pipefail

cli=(redis-cli -p "$WEIR_PORT")

# expect TEXT COMMAND...: the command prints exactly TEXT.
expect() {
  local expected=$1
  shift
  local got
  got=$("$@" 2>&1)
  if [[ $got != "$expected" ]]; then
    printf 'FAILED: %s\n  expected: %q\n  got:      %q\n' "$*" "$expected" "$got" >&2
    exit 1
  fi
}

# same COMMAND...: the command prints through weir what it prints beside it.
same() {
  expect "$(redis-cli -p "$REDIS_PORT" "$@" 2>&1)" "${cli[@]}" "$@"
}

# contains TEXT COMMAND...: the command's output contains TEXT.
contains() {
  local expected=$1
  shift
  local got
  got=$("$@" 2>&1) || { echo "FAILED ($?): $*: $got" >&2; exit 1; }
  [[ $got == *"$expected"* ]] || { echo "FAILED: no '$expected' in $*: $got" >&2; exit 1; }
}

expect PONG "${cli[@]}" ping
expect OK "${cli[@]}" set greeting 'hello world'
expect 'hello world' "${cli[@]}" get greeting
expect 1 "${cli[@]}" incr counter
same get greeting
same get nosuch
same nosuch command here
same get
same object encoding greeting
same config get maxmemory
same command info get
# Its id is that of the connection, which each numbers for itself.
without_id() { "$@" | sed '/^id$/{n;s/.*/ID/}'; }
expect "$(without_id redis-cli -p "$REDIS_PORT" -3 hello 2)" without_id "${cli[@]}" -3 hello 2
expect 'in five' bash -c "${cli[*]} -n 5 set k 'in five' > /dev/null; ${cli[*]} -n 5 get k"
expect '' "${cli[@]}" get k
"${cli[@]}" hset hash a 1 b 2 > /dev/null
same hgetall hash
same -3 hgetall hash
same --csv hgetall hash
same --json hgetall hash
same --no-raw hgetall hash

# From standard input: one command a line, and a value.
expect $'OK\n1' bash -c "printf 'set x 0\nincr x\n' | ${cli[*]}"
expect OK bash -c "head -c 3000000 /dev/urandom | base64 | ${cli[*]} -x set large"
same strlen large
expect "$(redis-cli -p "$REDIS_PORT" get large | sha256sum)" \
  bash -c "${cli[*]} get large | sha256sum"
expect "$(seq 1 50)" "${cli[@]}" -r 50 -i 0 incr repeated

# Mass insertion, inline and as RESP.
contains 'errors: 0, replies: 20000' \
  bash -c "seq 1 20000 | sed 's/.*/SET pipe:& value&/' | ${cli[*]} --pipe"
contains 'errors: 0, replies: 5000' bash -c "
  for i in \$(seq 1 5000); do
    printf '*3\r\n\$5\r\nRPUSH\r\n\$4\r\nlist\r\n\$%d\r\n%s\r\n' \${#i} \$i
  done | ${cli[*]} --pipe"
expect 5000 "${cli[@]}" llen list
expect value777 "${cli[@]}" get pipe:777
expect 20000 bash -c "${cli[*]} --scan --pattern 'pipe:*' | sort -u | wc -l"
contains 'Biggest string found' "${cli[@]}" --bigkeys
contains 'Biggest string found' "${cli[@]}" --memkeys

# This never ends by itself.
contains 'keys' bash -c "timeout 2 stdbuf -oL ${cli[*]} --stat -i 0.2 || [ \$? = 124 ]"

printf 'return {KEYS[1], ARGV[1], redis.call("get", KEYS[1])}' > "$TMPDIR/script.lua"
expect $'greeting\nargument\nhello world' \
  "${cli[@]}" --eval "$TMPDIR/script.lua" greeting , argument

contains 'redis_version:7' "${cli[@]}" info server
contains '# Weir' "${cli[@]}" info
contains 'NOPERM weir' "${cli[@]}" shutdown
expect PONG "${cli[@]}" ping
echo 'redis-cli: all as it should be'
