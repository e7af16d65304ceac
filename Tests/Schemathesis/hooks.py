# SPDX-License-Identifier: Apache-2.0
"""What docs/openapi.json says in words: formats of text, and parameters of which one is needed."""

import ipaddress

import schemathesis
from hypothesis import strategies as st

addresses = st.ip_addresses(v=4, network="198.18.0.0/15") | st.ip_addresses(v=6, network="2001:db8::/32")


@st.composite
def prefixes(draw):
    address = draw(addresses)
    length = draw(st.integers(1, address.max_prefixlen))
    return str(address) if draw(st.booleans()) else str(ipaddress.ip_network((address, length), strict=False))


port = st.integers(0, 65535)
services = st.sampled_from(["icmp/echo-request", "icmpv6", "proto/47"]) | st.builds(
    "{}/{}".format, st.sampled_from(["tcp", "udp", "sctp"]), port
)

schemathesis.openapi.format("prefix", prefixes())
schemathesis.openapi.format("prefixes", st.lists(prefixes(), min_size=1, max_size=20).map("\n".join))
schemathesis.openapi.format("service", services)


# What the host of Tests/Schemathesis/run drops all the time.
DROPPED = {"host": "192.0.2.1", "service": ["icmp/echo-request"], "reason": ["default"]}


@schemathesis.hook.apply_to(method="GET", path="/v1/drops")
def map_query(context, query):
    """Nothing is waited for that never comes. What is wrong stays as it is."""
    query = dict(query or {})
    for name in query.keys() & DROPPED.keys():
        if is_right(name, query[name]):
            query[name] = DROPPED[name]
    return query


def is_right(name, value):
    if name == "reason":
        return isinstance(value, list) and all(isinstance(one, str) and one.replace("-", "").isalpha() for one in value)
    return isinstance(value, (str, list)) and "/" in str(value) or "." in str(value) or ":" in str(value)
