// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// What a rule asks of a packet besides its addresses, where that is protocols and ports alone, everywhere and
/// in both directions, whoever the
/// host is: it can then
/// stand in the rule's list, and nothing else need be read.
struct PlainMatch {
    struct Alternative {
        /// An IP protocol, or `BH_ANY_PROTOCOL`.
        var number: UInt32
        var destination: ClosedRange<UInt16> = 0...UInt16.max
        var source: ClosedRange<UInt16> = 0...UInt16.max
    }

    /// At least one.
    var alternatives: [Alternative]

    /// nil where more is asked, or in more alternatives than are worth it.
    init?(_ rule: Rule) {
        guard rule.entries == nil, rule.vlans == nil, rule.directions.isBoth, !rule.asksHost else {
            return nil
        }
        guard let services = rule.services else {
            alternatives = [Alternative(number: UInt32(BH_ANY_PROTOCOL))]
            return
        }
        alternatives = []
        for service in services {
            switch service {
            // It may stand before what the packet's protocol is.
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
    /// One whose match is found elsewhere.
    init(_ rank: UInt32, _ match: UInt32) {
        self.init(rank: rank, match: match, destination: 0, destination_span: 0, source: 0, source_span: 0)
    }
}
