// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import Network
import Policy

/// A chain of the kernel's packet filter that may drop packets.
package struct DroppingChain: Sendable, Hashable {
    package enum Family: Sendable, Hashable {
        case ip(AddressFamily)
        case inet, netdev, bridge, other
    }

    package enum Hook: Sendable, Hashable {
        case prerouting, input, forward, output, postrouting, ingress, egress
    }

    package var family: Family
    package var hook: Hook
    /// Of the family `netdev`, and of the hook `ingress`: the device.
    package var device: String?
    /// As people call it.
    package var name: String

    package init(family: Family, hook: Hook, device: String? = nil, name: String) {
        self.family = family
        self.hook = hook
        self.device = device
        self.name = name
    }

    /// Those of the namespace, by nftables, and the tables of the older iptables, whose rules cannot be read here.
    package static func all(inNamespaceCalled name: String?) throws(HostError) -> (
        chains: [DroppingChain], olderTables: [String]
    ) {
        try NetworkNamespace.with(name) { () throws(HostError) in (try dropping(), olderTables()) }
    }

    /// Of the calling thread's namespace.
    private static func dropping() throws(HostError) -> [DroppingChain] {
        let chains = try unsafe listed("chains of nftables", bulkhead_read_chains)
        let rules = try unsafe listed("rules of nftables", bulkhead_read_chain_rules)
        let byChain = Dictionary(grouping: rules) { ChainName($0.family, text(of: $0.table), text(of: $0.chain)) }
        return chains.filter { $0.is_base != 0 }.compactMap { chain in
            let name = ChainName(chain.family, text(of: chain.table), text(of: chain.name))
            let mayDrop = chain.drops != 0 || name.mayDrop(byChain)
            guard mayDrop, let hook = Hook(chain.hook, family: chain.family) else { return nil }
            let device = text(of: chain.device)
            return DroppingChain(
                family: Family(chain.family), hook: hook, device: device.isEmpty ? nil : device,
                name: "chain '\(name.chain)' of table '\(name.table)'"
                    + (chain.drops != 0 ? ", whose policy is drop" : ""))
        }
    }

    private static func olderTables() -> [String] {
        ["ip_tables_names", "ip6_tables_names"].flatMap { file -> [String] in
            let path = "/proc/thread-self/net/\(file)"
            guard let bytes = try? DiskFiles().read(path, limit: 4096, from: .regularFile) else { return [] }
            let tool = file == "ip_tables_names" ? "iptables" : "ip6tables"
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { "\(tool) table '\($0)'" }
        }
    }
}

/// Which chain of which table.
private struct ChainName: Hashable {
    var family: UInt8
    var table: String
    var chain: String

    init(_ family: UInt8, _ table: String, _ chain: String) {
        self.family = family
        self.table = table
        self.chain = chain
    }

    /// Whether a rule of it drops, or one of a chain that it goes to.
    func mayDrop(_ rules: [ChainName: [bulkhead_chain_rule]]) -> Bool {
        var seen: Set<ChainName> = [self]
        var open = [self]
        while let name = open.popLast() {
            for rule in rules[name] ?? [] {
                if rule.drops != 0 { return true }
                let target = ChainName(family, table, text(of: rule.target))
                if !target.chain.isEmpty, seen.insert(target).inserted { open.append(target) }
            }
        }
        return false
    }
}

extension DroppingChain.Family {
    /// NFPROTO_*
    fileprivate init(_ number: UInt8) {
        self =
            switch number {
            case 1: .inet
            case 2: .ip(.v4)
            case 5: .netdev
            case 7: .bridge
            case 10: .ip(.v6)
            default: .other
            }
    }
}

extension DroppingChain.Hook {
    /// NF_INET_*, NF_NETDEV_*
    fileprivate init?(_ number: UInt32, family: UInt8) {
        let hooks: [DroppingChain.Hook] =
            family == 5 ? [.ingress, .egress] : [.prerouting, .input, .forward, .output, .postrouting, .ingress]
        guard Int(number) < hooks.count else { return nil }
        self = hooks[Int(number)]
    }
}
