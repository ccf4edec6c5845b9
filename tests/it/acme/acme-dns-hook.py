# A hook for certbot as acme-dns's author wrote one (acme-dns-auth.py), with his library pyacmedns.
import os
import sys

from pyacmedns import Client, Storage

client = Client(os.environ["ACMEDNS_URL"])
storage = Storage(os.environ["ACMEDNS_STORAGE"])
domain = os.environ["CERTBOT_DOMAIN"]
account = storage.fetch(domain)
if account is None:
    account = client.register_account([])
    storage.put(domain, account)
    storage.save()
client.update_txt_record(account, os.environ["CERTBOT_VALIDATION"])
print(f"_acme-challenge.{domain} CNAME {account['fulldomain']}.", file=sys.stderr)
