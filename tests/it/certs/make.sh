#!/usr/bin/env bash
# Makes the certificates of this folder anew, in the folder it is started in. Needs OpenSSL 3.
set -euo pipefail

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key.pem"; }

# authority NAME: one that signs for itself
authority() {
  key "$1"
  openssl req -new -key "$1.key.pem" -subj "/CN=$1 of the tests" -out "$1.csr"
  sign "$1" "$1" 20200101000000Z 21200101000000Z "basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign" -selfsign
}

# server NAME AUTHORITY FROM TO NAMES
server() {
  key "$1"
  openssl req -new -key "$1.key.pem" -subj "/CN=$1" -out "$1.csr"
  sign "$1" "$2" "$3" "$4" "basicConstraints=CA:FALSE
subjectAltName=$5" ${6:-}
}

# sign NAME AUTHORITY FROM TO EXTENSIONS [-selfsign]
sign() {
  work=$(mktemp -d)
  touch "$work/index"
  printf '%s\n' "$5" > "$work/extensions"
  printf '[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=%s\ndatabase=%s/index\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n' \
    "$work" "$work" > "$work/ca.conf"
  local by=(-cert "$2.pem")
  [ -z "${6:-}" ] || by=(-selfsign)
  openssl ca -config "$work/ca.conf" -batch -notext "${by[@]}" -keyfile "$2.key.pem" -in "$1.csr" -startdate "$3" -enddate "$4" \
    -extfile "$work/extensions" -out "$1.pem" 2> /dev/null
  rm -r "$work" "$1.csr"
}

authority house
authority stranger
server good house 20200101000000Z 21200101000000Z "DNS:localhost,IP:127.0.0.1"
server expired house 20200101000000Z 20210101000000Z "DNS:localhost,IP:127.0.0.1"
server early house 21100101000000Z 21200101000000Z "DNS:localhost,IP:127.0.0.1"
server elsewhere house 20200101000000Z 21200101000000Z "DNS:crm.elsewhere.example"
server foreign stranger 20200101000000Z 21200101000000Z "DNS:localhost,IP:127.0.0.1"
server alone alone 20200101000000Z 21200101000000Z "DNS:localhost,IP:127.0.0.1" -selfsign
rm house.key.pem stranger.key.pem stranger.pem
