#!/bin/sh
# curl with a systemd timer: run this as root on the machine that is to be found.
# For IPv6 the same again with -6 in place of -4, under another name.
umask 077
cat > /etc/ddns.curl <<'END'
url = "{scheme}://{server}/nic/update?hostname={host}"
user = "{user}:{password}"
silent
show-error
fail
max-time = 30
END
umask 022
cat > /etc/systemd/system/ddns.service <<'END'
[Unit]
Description=Tell the dynamic DNS where this machine is
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
DynamicUser=yes
LoadCredential=curl:/etc/ddns.curl
ExecStart=/bin/sh -c 'curl -4 -K "$CREDENTIALS_DIRECTORY/curl" | grep -E "^(good|nochg) "'
END
cat > /etc/systemd/system/ddns.timer <<'END'
[Unit]
Description=Tell the dynamic DNS where this machine is, every five minutes

[Timer]
OnBootSec=30
OnUnitActiveSec=5min
RandomizedDelaySec=30

[Install]
WantedBy=timers.target
END
systemctl daemon-reload
systemctl enable --now ddns.timer
