#!/bin/bash
# Installs the Node.js clients of package-lock.json into the folder given, unless they are there.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")" && pwd)
target=$1
if ! command -v npm > /dev/null; then
  echo 'npm is missing: install it (Debian: apt-get install npm), the clients of Node.js are part of the tests' >&2
  exit 1
fi
mkdir -p "$target"
if ! cmp -s "$source_dir/package-lock.json" "$target/installed-lock.json"; then
  cp "$source_dir/package.json" "$source_dir/package-lock.json" "$target"
  npm ci --prefix "$target" --no-audit --no-fund --loglevel error
  cp "$source_dir/package-lock.json" "$target/installed-lock.json"
fi
cp "$source_dir"/*_test.js "$target"
