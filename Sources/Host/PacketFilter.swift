// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import Network
import Policy
import SystemPackage

/// A chain of the kernel's packet filter that may drop packets.
package struct DroppingChain: Sendable, Hashable {
    package enum Family: Sendable, Hashable {
        case ip(AddressFamily)
        case inet, netdev, bridge, other
    }

    package enum Hook: Sendable, Hashable {
        case prerouting, input, forward, output, postrouting, ingress, egress
    }

    /// Who fills it. What iptables-nft fills is of nftables.
    package enum Tool: String, Sendable, Hashable {
        case nftables, iptables
    }

    package var tool: Tool
    package var family: Family
    package var hook: Hook
    /// Of the family `netdev`, and of the hook `ingress`: the device.
    package var device: String?
    /// As people call it.
    package var name: String

    package init(_ tool: Tool = .nftables, family: Family, hook: Hook, device: String? = nil, name: String) {
        self.tool = tool
        self.family = family
        self.hook = hook
        self.device = device
        self.name = name
    }
}

/// What of the kernel's packet filter may drop packets in a network namespace.
package struct PacketFilter: Sendable {
    package var chains: [DroppingChain] = []
    /// The IP versions whose packets every bridge hands to the chains of the IP layer (br_netfilter).
    package var callingBridges: Set<AddressFamily> = []
    /// What could not be looked at, and why; one sentence each.
    package var unseen: [String] = []

    package init() {}

    /// Reads that of a namespace.
    package init(ofNamespaceCalled name: String?) {
        do throws(HostError) {
            self = try NetworkNamespace.with(name) { () throws(HostError) in PacketFilter(reading: ()) }
        } catch {
            unseen = [error.message]
        }
    }

    /// Reads that of the calling thread's namespace.
    private init(reading: Void) {
        do throws(HostError) {
            chains = try DroppingChain.ofNftables(&unseen)
        } catch {
            unseen.append(error.message)
        }
        for family in AddressFamily.allCases {
            readOlderTables(family)
            let name = family == .v4 ? "iptables" : "ip6tables"
            let setting = try? PacketFilter.read("/proc/sys/net/bridge/bridge-nf-call-\(name)")
            if setting?.hasPrefix("1") == true { callingBridges.insert(family) }
        }
    }

    private mutating func readOlderTables(_ family: AddressFamily) {
        let (file, tool) = family == .v4 ? ("ip_tables_names", "iptables") : ("ip6_tables_names", "ip6tables")
        let path = "/proc/thread-self/net/\(file)"
        do throws(FileError) {
            let names = try PacketFilter.read(path) ?? ""
            for table in names.split(separator: "\n") {
                let called = "\(tool) table '\(table)'"
                switch DroppingChain.ofOlderTable(String(table), called: called, family) {
                case .success(let found): chains += found
                case .failure(let error): unseen.append(error.message)
                }
            }
        } catch {
            unseen.append("cannot list the tables of \(tool): \(path) \(error)")
        }
    }

    /// The text of a file of /proc; nil if there is none, because the kernel has no such part.
    private static func read(_ path: String) throws(FileError) -> String? {
        do throws(FileError) {
            return String(decoding: try DiskFiles().read(path, limit: 4096, from: .regularFile), as: UTF8.self)
        } catch .missing {
            return nil
        }
    }
}

extension DroppingChain {
    /// Those of the calling thread's namespace.
    ///
    /// - Parameter unseen: Gets what was not looked at.
    fileprivate static func ofNftables(_ unseen: inout [String]) throws(HostError) -> [DroppingChain] {
        var cut: [String] = []
        let chains = try unsafe listed("chains of nftables", notingIn: &cut, bulkhead_read_chains)
        let rules = try unsafe listed("rules of nftables", notingIn: &cut, bulkhead_read_chain_rules)
        unseen += cut.map { "there are more than \(BULKHEAD_NFTABLES_LIST_MAX) \($0); only these were read" }
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

    /// Those of a table of the older iptables.
    fileprivate static func ofOlderTable(
        _ table: String, called name: String, _ family: AddressFamily
    ) -> Result<[DroppingChain], HostError> {
        let hooks: [(Hook, chain: String)] = [
            (.prerouting, "PREROUTING"), (.input, "INPUT"), (.forward, "FORWARD"), (.output, "OUTPUT"),
            (.postrouting, "POSTROUTING"),
        ]
        var drops = [UInt8](repeating: 0, count: hooks.count)
        let error = unsafe bulkhead_read_older_table(UInt8(family == .v4 ? AF_INET : AF_INET6), table, &drops)
        guard error >= 0 else {
            return .failure(HostError("cannot read the \(name): \(Errno(rawValue: -error))"))
        }
        return .success(
            zip(hooks, drops).filter { $1 != BULKHEAD_OLDER_NONE.rawValue }.map { hook, drop in
                DroppingChain(
                    .iptables, family: .ip(family), hook: hook.0,
                    name: "chain '\(hook.chain)' of \(name)"
                        + (drop == BULKHEAD_OLDER_POLICY.rawValue ? ", whose policy is drop" : ""))
            })
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
