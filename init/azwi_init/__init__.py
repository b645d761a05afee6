"""The init container: the pod's metadata requests go to azwi-proxy, or the pod does not start.

Law: nothing is left half done. Rules are set in one commit, read back, and proven by a connection;
whatever fails is one sentence on standard error and an exit code that is not 0. What others made in
the network namespace stays as it is. IPv4 only: the metadata service has no IPv6 address.

Start with ``rules`` (what the network must do), then ``apply`` (who does it). ``nft`` and
``legacy`` are pure: one plan, two spellings. ``libnftables`` and ``libiptc`` hand those to the
kernel.
"""
