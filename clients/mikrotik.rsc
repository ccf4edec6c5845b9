# MikroTik RouterOS 7: System > Scripts > Add; run it from System > Scheduler every 5 minutes.
# Put the name of the WAN interface in place of ether1. It reports each time: that keeps the host alive.
:local ip [/ip address get [find interface="ether1"] address]
:set ip [:pick $ip 0 [:find $ip "/"]]
:local r [/tool fetch url="{scheme}://{server}/nic/update\?hostname={host}&myip=$ip" user="{user}" password="{password}" mode={scheme} output=user as-value]
:if (!(($r->"data") ~ "^(good|nochg)")) do={ :log warning ("ddns: " . ($r->"data")) }
