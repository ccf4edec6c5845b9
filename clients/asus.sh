#!/bin/sh
# ASUS with Asuswrt-Merlin: save as /jffs/scripts/ddns-start (chmod 700), then WAN > DDNS > Server: Custom
# (The stock firmware has only its list: see the settings `netgear`.)
if curl -fsS -m 15 -u '{user}:{password}' "{scheme}://{server}/nic/update?hostname={host}&myip=$1" |
    grep -qE '^(good|nochg)'
then /sbin/ddns_custom_updated 1
else /sbin/ddns_custom_updated 0
fi
