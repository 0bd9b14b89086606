#!/bin/bash
# redis-benchmark, short: every test of its own, pipelined and not, with many clients and threads.
set -euo pipefail

bench() {
  local output
  output=$(timeout 60 redis-benchmark -p "$WEIR_PORT" "$@" 2>&1) ||
    { echo "FAILED ($?): redis-benchmark $*: $output" >&2; exit 1; }
  if grep -qi error <<< "$output"; then
    echo "FAILED: redis-benchmark $*: $output" >&2
    exit 1
  fi
}

tests=ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange
bench -q -n 2000 -t "$tests,mset"
bench -q -n 20000 -P 64 -c 100 -t set,get,incr
bench -q -n 5000 -c 300 -d 5000 -r 1000 -t set,get
bench -q -n 5000 -P 4 --threads 2 -3 -t set,get
bench -q -n 1000 -P 10 --dbnum 3 incr benchmark:counter
counted=$(redis-cli -p "$REDIS_PORT" -n 3 get benchmark:counter)
[[ $counted == 1000 ]] || { echo "FAILED: 1000 INCRs counted $counted" >&2; exit 1; }
echo 'redis-benchmark: all as it should be'
