#!/bin/sh
# lego with its httpreq: a certificate for the host and for all names below it.
# Save this as /etc/lego.sh (chmod 700). Once: /etc/lego.sh run
# Every day: /etc/lego.sh renew
export HTTPREQ_ENDPOINT='{scheme}://{server}'
export HTTPREQ_USERNAME='{user}'
export HTTPREQ_PASSWORD='{password}'
exec lego --accept-tos --email 'hostmaster@{host}' --path /var/lib/lego --dns httpreq \
    --domains '{host}' --domains '*.{host}' "$@"
