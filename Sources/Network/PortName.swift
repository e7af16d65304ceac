// SPDX-License-Identifier: Apache-2.0

/// Ports of TCP, UDP and SCTP by the service names that IANA registers.
public enum PortName {
    /// The port of a name such as `ssh`; nil if the name is not known for the protocol.
    ///
    /// - Parameter protocolNumber: 6 (TCP), 17 (UDP) or 132 (SCTP).
    public static func port(_ name: String, protocolNumber: UInt8) -> UInt16? {
        let own = protocolNumber == 6 ? ofTCP : protocolNumber == 17 ? ofUDP : [:]
        return own[name] ?? ofAll[name]
    }

    /// Every name that is known for the protocol, sorted.
    public static func names(protocolNumber: UInt8) -> [String] {
        let own = protocolNumber == 6 ? ofTCP : protocolNumber == 17 ? ofUDP : [:]
        return (Array(own.keys) + ofAll.keys).sorted()
    }

    /// Names with the same port in every protocol.
    private static let ofAll: [String: UInt16] = [
        "echo": 7, "discard": 9, "daytime": 13, "chargen": 19, "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23,
        "smtp": 25, "time": 37, "tacacs": 49, "domain": 53, "dns": 53, "bootps": 67, "bootpc": 68, "tftp": 69,
        "gopher": 70, "finger": 79, "http": 80, "kerberos": 88, "iso-tsap": 102, "pop3": 110, "sunrpc": 111,
        "auth": 113, "nntp": 119, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap": 143,
        "snmp": 161, "snmptrap": 162, "bgp": 179, "irc": 194, "ldap": 389, "https": 443, "microsoft-ds": 445,
        "submissions": 465, "isakmp": 500, "asa-appl-proto": 502, "rtsp": 554, "submission": 587, "ipp": 631,
        "ldaps": 636, "ldp": 646, "domain-s": 853, "rsync": 873, "ftps": 990, "imaps": 993, "pop3s": 995,
        "openvpn": 1194, "ms-sql-s": 1433, "ms-sql-m": 1434, "l2tp": 1701, "radius": 1812, "radius-acct": 1813,
        "mqtt": 1883, "ssdp": 1900, "nfs": 2049, "zookeeper": 2181, "etcd-client": 2379, "etcd-server": 2380,
        "docker": 2375, "docker-s": 2376, "iscsi-target": 3260, "mysql": 3306, "ms-wbt-server": 3389,
        "m2ua": 2904, "m3ua": 2905, "diameter": 3868, "svn": 3690, "bfd-control": 3784, "bfd-echo": 3785,
        "epmd": 4369, "ipsec-nat-t": 4500, "vxlan": 4789, "opcua-tcp": 4840, "sip": 5060, "sips": 5061,
        "xmpp-client": 5222, "xmpp-server": 5269, "mdns": 5353, "llmnr": 5355, "postgresql": 5432, "amqps": 5671,
        "amqp": 5672, "vnc-server": 5900, "rfb": 5900, "geneve": 6081, "redis": 6379, "ircs-u": 6697,
        "secure-mqtt": 8883, "http-alt": 8080, "https-alt": 8443, "git": 9418, "memcache": 11211, "dnp": 20000,
        "mongodb": 27017, "bacnet": 47808, "syslog-tls": 6514, "nrpe": 5666, "puppet": 8140, "s1-control": 36412,
        "x2-control": 36422,
    ]

    /// Names whose port belongs to another service in UDP.
    private static let ofTCP: [String: UInt16] = [
        "exec": 512, "login": 513, "shell": 514, "printer": 515, "nut": 3493, "pptp": 1723, "cassandra": 9042,
        "x11": 6000,
    ]

    /// Names whose port belongs to another service in TCP.
    private static let ofUDP: [String: UInt16] = [
        "syslog": 514, "rip": 520, "ripng": 521, "dhcpv6-client": 546, "dhcpv6-server": 547, "wireguard": 51820,
        "capwap-control": 5246, "capwap-data": 5247, "ptp-event": 319, "ptp-general": 320, "hsrp": 1985,
        "netflow": 2055, "sflow": 6343, "ipfix": 4739, "coap": 5683, "quic": 443,
    ]
}
