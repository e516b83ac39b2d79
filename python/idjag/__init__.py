"""Enterprise-managed authorization for MCP servers: an ID-JAG goes in, an access token comes out.

    import idjag

    exchange = idjag.Exchange("idjag.toml")
    token = exchange.exchange(assertion, client_id="f53f191f9311af35")
    who = exchange.verify(token.access_token, resource=token.resource)

This module is the only public door; `idjag.asgi`, `idjag.mcp` and `idjag.fastmcp` fit it into frameworks.
"""

import os

from idjag._core import (
    VERSION,
    Challenge,
    Explanation,
    IssuedToken,
    Request,
    Revocation,
    TokenResponse,
    VerifiedToken,
    _forked,
)
from idjag._errors import ConfigError, ExchangeDenied, IdjagError, Unavailable
from idjag._exchange import Exchange
from idjag._identity_provider import IdentityProvider

__all__ = [
    "Challenge",
    "ConfigError",
    "Exchange",
    "ExchangeDenied",
    "Explanation",
    "IdentityProvider",
    "IdjagError",
    "IssuedToken",
    "Request",
    "Revocation",
    "TokenResponse",
    "Unavailable",
    "VerifiedToken",
    "__version__",
]

__version__ = VERSION

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
