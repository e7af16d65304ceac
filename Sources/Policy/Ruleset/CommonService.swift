// SPDX-License-Identifier: Apache-2.0

/// Services that a policy may name without defining them, unless it defines the name itself.
public enum CommonService {
    /// Echo requests of both families, which no policy may define anew.
    public static let ping: [Service] = [.icmp(.v4, type: 8, code: nil), .icmp(.v6, type: 128, code: nil)]

    /// The alternatives of a name; nil where it is not one of these.
    public static func services(_ name: String) -> [Service]? { table[name] }

    /// Every name, sorted.
    public static var names: [String] { table.keys.sorted() }

    private static func tcp(_ ports: ClosedRange<UInt16>...) -> Service { on(6, ports) }
    private static func udp(_ ports: ClosedRange<UInt16>...) -> Service { on(17, ports) }

    private static func on(_ number: UInt8, _ ports: [ClosedRange<UInt16>]) -> Service {
        .ports(protocol: number, destination: ports, source: [0...UInt16.max])
    }

    private static let table: [String: [Service]] = [
        "ah": [.protocol(51)],
        "amqp": [tcp(5671...5672)],
        "bacnet": [udp(47808...47808)],
        "bfd": [udp(3784...3785)],
        "bgp": [tcp(179...179)],
        "dhcp": [udp(67...68)],
        "dhcpv6": [udp(546...547)],
        "dns": [tcp(53...53), udp(53...53)],
        "dns-over-tls": [tcp(853...853)],
        "docker-api": [tcp(2375...2376)],
        "elasticsearch": [tcp(9200...9200)],
        "esp": [.protocol(50)],
        "etcd": [tcp(2379...2380)],
        "ftp": [tcp(21...21)],
        "geneve": [udp(6081...6081)],
        "git": [tcp(9418...9418)],
        "gre": [.protocol(47)],
        "http": [tcp(80...80)],
        "http3": [udp(443...443)],
        "https": [tcp(443...443)],
        "igmp": [.protocol(2)],
        "ike": [udp(500...500, 4500...4500)],
        "imap": [tcp(143...143)],
        "imaps": [tcp(993...993)],
        "ipp": [tcp(631...631)],
        "ipsec": [udp(500...500, 4500...4500), .protocol(50), .protocol(51)],
        "iscsi": [tcp(3260...3260)],
        "kafka": [tcp(9092...9092)],
        "kerberos": [tcp(88...88), udp(88...88)],
        "kubernetes-api": [tcp(6443...6443)],
        "ldap": [tcp(389...389)],
        "ldaps": [tcp(636...636)],
        "mdns": [udp(5353...5353)],
        "memcached": [tcp(11211...11211)],
        "modbus": [tcp(502...502)],
        "mongodb": [tcp(27017...27017)],
        "mqtt": [tcp(1883...1883)],
        "mqtts": [tcp(8883...8883)],
        "mssql": [tcp(1433...1433)],
        "mysql": [tcp(3306...3306)],
        "nfs": [tcp(2049...2049)],
        "node-exporter": [tcp(9100...9100)],
        "ntp": [udp(123...123)],
        "opcua": [tcp(4840...4840)],
        "openvpn": [tcp(1194...1194), udp(1194...1194)],
        "oracle": [tcp(1521...1521)],
        "ospf": [.protocol(89)],
        "pim": [.protocol(103)],
        "pop3": [tcp(110...110)],
        "pop3s": [tcp(995...995)],
        "postgres": [tcp(5432...5432)],
        "prometheus": [tcp(9090...9090)],
        "radius": [udp(1812...1813)],
        "rdp": [tcp(3389...3389), udp(3389...3389)],
        "redis": [tcp(6379...6379)],
        "rip": [udp(520...520)],
        "rsync": [tcp(873...873)],
        "rtsp": [tcp(554...554)],
        "s7": [tcp(102...102)],
        "sip": [tcp(5060...5061), udp(5060...5060)],
        "smb": [tcp(445...445)],
        "smtp": [tcp(25...25)],
        "smtps": [tcp(465...465)],
        "snmp": [udp(161...161)],
        "snmp-trap": [udp(162...162)],
        "ssdp": [udp(1900...1900)],
        "ssh": [tcp(22...22)],
        "submission": [tcp(587...587)],
        "syslog": [udp(514...514)],
        "syslog-tls": [tcp(6514...6514)],
        "tacacs": [tcp(49...49)],
        "telnet": [tcp(23...23)],
        "tftp": [udp(69...69)],
        "traceroute": [udp(33434...33534)],
        "vnc": [tcp(5900...5999)],
        "vrrp": [.protocol(112)],
        "vxlan": [udp(4789...4789)],
        "winrm": [tcp(5985...5986)],
        "wireguard": [udp(51820...51820)],
        "xmpp": [tcp(5222...5222, 5269...5269)],
    ]
}
