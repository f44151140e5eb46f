#!/bin/sh
# Makes the secrets that compose.yaml mounts, in compose/secrets/. What exists is kept.
set -eu
umask 077
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
cd "$folder"

random() {
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# The folder keeps others on this machine out; the files can be read, because each container reads them as its own user.
keep() {
  [ -e "$1" ] || printf '%s' "$2" >"$1"
  chmod 0444 "$1"
}

keep postgres_password "$(random)"
keep store_url "postgresql+psycopg://telltale:$(cat postgres_password)@postgres:5432/telltale"
keep webhook_token "$(random)"
keep grafana_password "$(random)"
# Of [[receivers]], one file each, put there by you: compose.receivers.yaml mounts the folder as a whole, so that a new
# secret is seen at once.
mkdir -p receivers
chmod 0755 receivers
for file in receivers/*; do
  if [ -f "$file" ]; then chmod 0444 "$file"; fi
done
echo "secrets are in $PWD"
