#!/bin/bash
# Installs the Node.js clients of package-lock.json into the folder given, unless they are there,
# and links the Node.js that runs them as "node": newer ones than Debian 12 has are what they ask for.
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
  # Their scripts would only fetch or compile what they do without.
  npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --loglevel error
  cp "$source_dir/package-lock.json" "$target/installed-lock.json"
fi
cp "$source_dir"/*.js "$target"
node=$(echo "$target"/node_modules/node-linux-*/bin/node)
[[ -x $node ]] || node=$(command -v node)
ln -sfn "$node" "$target/node"
