// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// A rule's match, apart from the addresses, if it consists only of protocols and ports: in all places and both
/// directions, without questions about the host. Such a match fits into the entries of a rule list, so that nothing
/// else has to be read.
struct PlainMatch {
    struct Alternative {
        /// An IP protocol, or `BH_ANY_PROTOCOL`.
        var number: UInt32
        var destination: ClosedRange<UInt16> = 0...UInt16.max
        var source: ClosedRange<UInt16> = 0...UInt16.max
    }

    /// One to four.
    var alternatives: [Alternative]

    /// nil if the rule asks for more, or has more alternatives than are worth it.
    init?(_ rule: Rule) {
        guard rule.entries == nil, rule.vlans == nil, rule.directions.isBoth, rule.via == nil, !rule.asksHost else {
            return nil
        }
        guard let services = rule.services else {
            alternatives = [Alternative(number: UInt32(BH_ANY_PROTOCOL))]
            return
        }
        alternatives = []
        for service in services {
            switch service {
            // This header may come before the packet's protocol.
            case .protocol(let number) where WalkedHeaders.contains(number): return nil
            case .protocol(let number): alternatives.append(Alternative(number: UInt32(number)))
            case .ports(let number, let destinations, let sources):
                for destination in destinations {
                    alternatives += sources.map {
                        Alternative(number: UInt32(number), destination: destination, source: $0)
                    }
                }
            case .icmp, .ethertype: return nil
            }
        }
        guard (1...4).contains(alternatives.count) else { return nil }
    }
}

extension PlainMatch.Alternative {
    func entry(_ rank: UInt32) -> bh_list_entry {
        bh_list_entry(
            rank: rank, match: BH_MATCH_PORTS.rawValue | number, destination: destination.lowerBound,
            destination_span: destination.upperBound - destination.lowerBound, source: source.lowerBound,
            source_span: source.upperBound - source.lowerBound)
    }
}

extension bh_list_entry {
    /// An entry whose match is found elsewhere.
    init(_ rank: UInt32, _ match: UInt32) {
        self.init(rank: rank, match: match, destination: 0, destination_span: 0, source: 0, source_span: 0)
    }
}
