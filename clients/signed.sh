#!/bin/sh
# Signed updates, for machines without TLS: tells the server where this machine is.
# Nobody on the way can read the secret, change the address or send the update again.
# Takes openssl, and curl or wget (BusyBox's will do). How it works: clients/signed.md.
# Only for its owner (chmod 700), and for cron:
# */5 * * * * root /etc/ddns-signed.sh > /dev/null
server={scheme}://{server}
host={host}
key={key}
secret={secret}

if command -v curl > /dev/null; then
  ask() { curl -sS -m 30 ${2:+--data-binary "$2"} "$1"; }
else
  ask() { wget -q -O - ${2:+--post-data "$2"} "$1"; }
fi
fail() { echo "ddns: $*" >&2; exit 1; }

# HMAC-SHA-256 of standard input (RFC 2104). Put together by hand, since openssl
# takes keys as arguments, where `ps` shows them to everybody.
pad() {
  rest=$secret
  for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5 6 7 8; do
    octet=${rest%"${rest#??}"}
    rest=${rest#??}
    printf "\\$(printf %03o $((0x${octet:-0} ^ $1)))"
  done; done
}
hmac() {
  { pad 0x5c; { pad 0x36; cat; } | openssl dgst -sha256 -binary; } |
    openssl dgst -sha256 -r | cut -d ' ' -f 1
}

# The answer is the server's if its last line is the MAC of all lines before it.
check() {
  mac=$(printf '%s\n' "$answer" | sed '$d' | hmac)
  [ "$(word mac)" = "$mac" ] || fail "this is not signed by the server: $answer"
}
word() { printf '%s\n' "$answer" | sed -n "s/^$1 //p"; }

# What is my address? The nonce tells the answer from older ones.
nonce=$(openssl rand -hex 16) || fail "openssl gives no random number"
answer=$(ask "$server/signed/address?key=$key&nonce=$nonce") || fail "$server does not answer"
check
[ "$(word nonce)" = "$nonce" ] || fail "this answers another question: $answer"
address=$(word address)
case $address in *:*) family=v6 ;; *) family=v4 ;; esac

# It is the address of this host now. The server's own time makes it newer than
# every update before, whatever the clock here says.
update="truename-update-1
key $key
time $(word time)
host $host
$family $address"
sent=$(printf '%s\n' "$update" | hmac)
answer=$(ask "$server/signed/update" "$update
mac $sent") || fail "$server does not answer"
check
[ "$(word update)" = "$sent" ] || fail "this answers another update: $answer"
result="$(word status) $(word host)"
case $result in
  "done $host good "* | "done $host nochg "*) echo "$result" ;;
  *) fail "not accepted: $result" ;;
esac
