"""The request headers that the proxy reads, by name, and those that aiohttp reads for it.

Pure. ``replay`` answers a request again if it differs from an earlier one only in lines that nobody
reads. So a header is read by a name of this table or not at all: a test holds the handlers to it.
"""

METADATA = "Metadata"
FORWARDED_FOR = "X-Forwarded-For"
IDENTITY_HEADER = "X-IDENTITY-HEADER"
SECRET = "Secret"
HOST = "Host"
ORIGIN = "Origin"
FETCH_SITE = "Sec-Fetch-Site"
FETCH_DEST = "Sec-Fetch-Dest"
CONTENT_TYPE = "Content-Type"
EXPECT = "Expect"

READ = (
    METADATA, FORWARDED_FOR, IDENTITY_HEADER, SECRET, HOST, ORIGIN, FETCH_SITE, FETCH_DEST,
    CONTENT_TYPE, EXPECT,
)  # fmt: skip
"""By the handlers; requests that are passed on are passed on whole, and never answered again."""

AIOHTTP = "3.14.5"
"""The version whose source the next table was made from; a test fails with another one."""

READ_BY_AIOHTTP = (
    "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Expect", "Forwarded", "Cookie",
    "Accept", "Accept-Encoding", "Range", "If-Range", "If-Match", "If-None-Match",
    "If-Modified-Since", "If-Unmodified-Since",
    # Given twice they are refused, so to leave out one of two would be seen.
    "ETag", "Host", "Max-Forwards", "Server", "User-Agent",
)  # fmt: skip
PREFIXES_READ_BY_AIOHTTP = ("Content-", "Sec-WebSocket-", "Proxy-")
