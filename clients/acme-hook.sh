#!/bin/sh
# A hook for certbot, dehydrated and uacme, with curl.
# Save this as /etc/acme-hook (chmod 700), then one of these:
#   certbot certonly --manual --preferred-challenges dns --manual-auth-hook '/etc/acme-hook present' --manual-cleanup-hook '/etc/acme-hook cleanup' -d {host} -d '*.{host}'
#   dehydrated --cron --challenge dns-01 --hook /etc/acme-hook --domain {host} --domain '*.{host}'
#   uacme --hook /etc/acme-hook issue {host} '*.{host}'
case $1 in
present | cleanup) action=$1 name=$CERTBOT_DOMAIN value=$CERTBOT_VALIDATION ;;
deploy_challenge) action=present name=$2 value=$4 ;;
clean_challenge) action=cleanup name=$2 value=$4 ;;
begin)
    # uacme offers each kind of proof in turn.
    [ "$2" = dns-01 ] || exit 1
    action=present name=$3 value=$5
    ;;
done | failed) action=cleanup name=$3 value=$5 ;;
*) exit 0 ;;
esac
exec curl -sS --fail-with-body -m 30 -K - <<END
url = "{scheme}://{server}/$action"
user = "{user}:{password}"
header = "Content-Type: application/json"
data = "{\"fqdn\":\"_acme-challenge.$name.\",\"value\":\"$value\"}"
END
