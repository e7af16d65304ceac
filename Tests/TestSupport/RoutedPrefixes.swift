// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy

/// The prefixes in the global routing table of a day in 2015, each with its network. They are nested, so that the
/// longest match decides.
public struct RoutedPrefixes: Sendable {
    public var routes: [(prefix: Prefix, network: String)]

    /// Reads them from the folder in BULKHEAD_CORPORA.
    public init(from folder: String) throws {
        let lines = try Shell.check("gzip", "-dc", "\(folder)/feeds/bgp-2015-prefix-asn.tsv.gz")
        routes = try lines.utf8.split(separator: UInt8(ascii: "\n")).map { line in
            let fields = line.split(separator: UInt8(ascii: "\t"))
            guard fields.count == 2 else { throw CommandFailure(description: "not a route: \(Substring(line))") }
            return (try Prefix(parsing: String(Substring(fields[0]))), String(Substring(fields[1])))
        }
    }

    /// A rule for the prefixes of one length of each network, the longest first, so that the first match is the
    /// longest. Some 114,000 rules.
    public func ruleset() -> (ruleset: Ruleset, networks: [String]) {
        struct Key: Hashable {
            var length: Int
            var network: String
        }
        var numbers: [Key: Int] = [:]
        var sets: [(key: Key, prefixes: [Prefix])] = []
        for route in routes {
            let key = Key(length: route.prefix.length, network: route.network)
            let number = numbers[key] ?? sets.count
            if number == sets.count {
                numbers[key] = number
                sets.append((key, []))
            }
            sets[number].prefixes.append(route.prefix)
        }
        sets.sort { ($1.key.length, $0.key.network) < ($0.key.length, $1.key.network) }
        var ruleset = FilterSet(name: "routes", filters: []).ruleset
        ruleset.rules = sets.enumerated().map { rank, set in
            Rule(
                name: "r\(rank)", location: SourceLocation(file: "routes", line: rank + 1, column: 1),
                ends: [.init(from: AddressSet(set.prefixes), to: nil)], action: FilterSet.action(ofRank: rank))
        }
        return (ruleset, sets.map(\.key.network))
    }

    /// Finds the longest prefix of an address, length by length.
    public struct Search: Sendable {
        private var networks: [Prefix: String] = [:]

        public init(_ routes: RoutedPrefixes) {
            networks.reserveCapacity(routes.routes.count)
            for route in routes.routes { networks[route.prefix] = route.network }
        }

        /// The network that an address belongs to; nil if it is not routed.
        public func network(of address: IPAddress) -> String? {
            for length in stride(from: address.family.bits, through: 0, by: -1) {
                if let network = networks[Prefix(address, length: length)] { return network }
            }
            return nil
        }
    }
}
