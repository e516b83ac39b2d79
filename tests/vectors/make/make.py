"""Writes tests/vectors: keys that are missing, worlds, directories, cases, requests.

`python make.py` keeps every signature that is still right; `python make.py --all` signs everything again.
Needs requirements.txt (pip) and package.json (npm, for make.mjs).
"""

import collections
import importlib
import sys

import endpoint
import endpoint_about
import endpoint_details
import endpoint_documents
import endpoint_dpop
import endpoint_limits
import endpoint_tls
import endpoint_token_exchange
import keys
import sign
import table
import worlds

# Cases refer to assertions of earlier files, so the order matters.
NOUNS = (
    "signature", "form", "header", "issuer", "audience", "time", "claims", "client", "key", "resource", "groups",
    "scope", "replay", "attacks", "tokens", "bound", "wire",
)


def main() -> None:
    """All of it."""
    if "--all" not in sys.argv[1:]:
        table.remember_old()
    for name in keys.RECIPES:
        keys.jwk(name)
    worlds.write()
    for noun in NOUNS:
        importlib.import_module(f"nouns.{noun}").cases()
    table.check()
    table.write()
    endpoint.requests()
    endpoint_about.requests()
    endpoint_details.requests()
    endpoint_documents.requests()
    endpoint_dpop.requests()
    endpoint_limits.requests()
    endpoint_tls.requests()
    endpoint.write()
    endpoint_token_exchange.requests()
    makers = collections.Counter(case.get("made_by", "a reference") for case in table.cases.values())
    print(f"{len(table.cases)} cases, {len(endpoint.cases)} requests, {len(worlds.worlds)} worlds, {len(keys.RECIPES)} keys")
    for maker, count in makers.most_common():
        print(f"{count:5} {maker}")


if __name__ == "__main__":
    main()
