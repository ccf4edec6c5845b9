#!/bin/sh
# The shell script acme with its acmeproxy: a certificate for the host and for all names below it.
# Once as it is; acme.sh keeps the login and renews by itself.
export ACMEPROXY_ENDPOINT='{scheme}://{server}'
export ACMEPROXY_USERNAME='{user}'
export ACMEPROXY_PASSWORD='{password}'
exec acme.sh --issue --dns dns_acmeproxy -d '{host}' -d '*.{host}'
