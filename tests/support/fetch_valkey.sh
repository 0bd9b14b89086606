#!/usr/bin/env bash
# Unpacks the valkey-server of Debian's backports into DIRECTORY and prints where the program is.
# Nothing is installed, and apt's own lists stay as they are: backports are asked for in a state of
# their own, on the mirror that this machine gets Debian itself from.
#
#   WEIR_TEST_REDIS_SERVER="$(tests/support/fetch_valkey.sh build/valkey)" ./dev test -R integration
set -euo pipefail

directory="$(mkdir -p "${1:?usage: fetch_valkey.sh DIRECTORY}" && realpath "$1")"
server="$directory/usr/bin/valkey-server"
if [ ! -x "$server" ]; then
  # shellcheck source=/dev/null
  codename="$(. /etc/os-release && echo "$VERSION_CODENAME")"
  # shellcheck disable=SC2016  # these are apt's variables
  mirror="$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' | awk -v "codename=$codename" \
    '$2 == codename && $3 == "main" { print $1; exit }')"
  [ -n "$mirror" ] || { echo "fetch_valkey: apt has no list of $codename main" >&2; exit 1; }

  mkdir -p "$directory/apt/lists/partial" "$directory/apt/archives/partial"
  echo "deb $mirror $codename-backports main" >"$directory/apt/backports.list"
  apt=(apt-get -q -o "Dir::Etc::SourceList=$directory/apt/backports.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$directory/apt/lists" -o "Dir::Cache=$directory/apt"
    -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2
  (cd "$directory/apt" && "${apt[@]}" download valkey-server valkey-tools >&2)
  for package in "$directory"/apt/*.deb; do dpkg-deb -x "$package" "$directory"; done
fi
"$server" --version >&2
echo "$server"
