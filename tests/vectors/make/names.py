"""The names and times that worlds and cases share."""

NOW = 1784527300
IAT = NOW - 24
EXP = NOW + 276

ISSUER = "https://auth.chat.example/"
CHAT = "https://mcp.chat.example/"
NOTES = "https://mcp.notes.example/"
FILES = "https://mcp.files.example/"

ACME = "https://acme.idp.example"
GLOBEX = "https://globex.idp.example"

CLIENT = "f53f191f9311af35"
TYP = "oauth-id-jag+jwt"
SUB = "00u1a2b3c4d5e6f7g8h9"
JTI = "IDAAG.7f0c1d2e3a4b5c6d7e8f90a1b2c3d4e5f60718293a4"
