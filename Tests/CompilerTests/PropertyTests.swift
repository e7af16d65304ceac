// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Foundation
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

/// The image, read as the kernel reads it, gives the same as a plain first match over the policy.
@Suite struct PropertyTests {
    @Test func imageAgreesWithReference() throws {
        let first = Seed.first()
        let policies = Seed.count("BULKHEAD_POLICIES", usual: 200)
        print("property test: BULKHEAD_SEED=\(first), \(policies) policies")
        var total = Total()
        for seed in first..<first + UInt64(policies) { try compare(seed: seed, &total) }
        print("property test: \(total)")
        guard policies >= 200 else { return }
        // Make sure that every kind of verdict and every kind of table occurred.
        let reasons: Set<Reason> = [
            .rule, .default, .malformed, .vlan, .nonIP, .fragment, .extensionHeader, .essential, .control,
            .guardMAC, .guardIP, .guardARP, .guardND, .guardDHCP, .guardRA, .guardPromiscuous,
            .guardDestination, .notAdmitted,
        ]
        #expect(Set(total.reasons.keys) == reasons)
        #expect(total.longLists > 0)
        #expect(total.bitmapItems > 300)
        #expect(total.nodes > 0)
        #expect(total.passedOver > 1000)
        #expect(total.members > 1000)
        #expect(total.own > 1000)
    }

    private struct Total: CustomStringConvertible {
        var reasons: [Reason: Int] = [:]
        var cells = 0
        var longLists = 0
        var bitmapItems = 0
        var nodes = 0
        /// Rules that matched but whose condition did not hold.
        var passedOver = 0
        /// Questions about dynamic groups that were answered yes.
        var members = 0
        /// Addresses that were asked about and are the host's own.
        var own = 0

        var description: String {
            "\(cells) cells, \(longLists) long lists, \(bitmapItems) in bitmaps, \(nodes) nodes, "
                + "\(passedOver) passed over, \(members) members, \(own) own; "
                + reasons.map { "\($0.key.rawValue) \($0.value)" }.sorted().joined(separator: ", ")
        }
    }

    /// One seed in thirty makes a large policy.
    private func compare(seed: UInt64, _ total: inout Total) throws {
        let ruleset = RandomPolicy(seed: seed, size: seed % 30 == 0 ? .large : .small).ruleset
        // Every other policy has as much in bitmaps as there can be.
        let compiler = seed / 2 % 2 == 0 ? Compiler() : Compiler(cellsBeforeBitmaps: 0)
        let image = try compiler.compile(ruleset)
        let view = try ImageView(image.bytes)
        let reference = ReferenceEvaluator(ruleset)
        var frames = BoundaryFrames(ruleset, seed: seed)
        var random = RandomNumbers(seed: seed)
        #expect(view.classifier.cells == image.statistics.cells)
        #expect(view.classifier.bitmapItems == image.statistics.bitmapItems)
        #expect(
            view.classifier.tier
                == (image.statistics.bitmapItems > 0 ? .bitmaps : image.statistics.longLists > 0 ? .runs : .lists))
        let groups = ruleset.dynamicGroups.map { _ in RandomPolicy.members(&random) }
        func isMember(_ group: Int, _ address: IPAddress) -> Bool {
            let isMember = groups[group].contains { $0.contains(address) }
            if isMember { total.members += 1 }
            return isMember
        }
        let own = (0..<3).flatMap { _ in RandomPolicy.members(&random) }
        func isOwn(_ address: IPAddress) -> Bool {
            let isOwn = own.contains { $0.contains(address) }
            if isOwn { total.own += 1 }
            return isOwn
        }
        total.cells += image.statistics.cells
        total.longLists += image.statistics.longLists
        total.bitmapItems += image.statistics.bitmapItems
        total.nodes += image.statistics.nodes
        for _ in 0..<500 {
            let probe = frames.next()
            let packet = PacketParser.parse(probe.frame.bytes, frameLength: probe.frame.bytes.count)
            let claim = packet.claim(in: probe.frame.bytes)
            // Each conditional rule may or may not hold.
            let holding = (0..<ruleset.rules.count).map { _ in random.once(in: 2) }
            let sends = (probe.protects == .host) == (probe.direction == .out)
            let origins: [ReferenceOrigin] = [.elsewhere, .host] + ruleset.entries.indices.map { .entry($0) }
            let origin = random.pick(sends ? origins : [.elsewhere])
            let expected = reference.judge(
                packet, claiming: claim, entry: probe.entry, protects: probe.protects, direction: probe.direction,
                isUnknownToDrop: probe.isUnknownToDrop, isMember: isMember, isOwn: isOwn,
                comes: { rule in rule.via.map(origin.isOne) ?? true }, holds: { holding[$0] })
            let record = image.portRecord(
                entry: probe.entry, protects: probe.protects, unknownToDrop: probe.isUnknownToDrop)
            let found = view.judge(
                packet: packet, claim: claim, portRecord: record, direction: probe.direction, isMember: isMember,
                isOwn: isOwn, origin: origin.number(image),
                holds: { rank in
                    if !holding[rank] { total.passedOver += 1 }
                    return holding[rank]
                })
            try #require(found == expected, "seed \(seed): \(probe) \(packet)")
            total.reasons[expected.reason, default: 0] += 1
        }
    }
}

extension ReferenceOrigin {
    /// The value of `enum bh_via`.
    fileprivate func number(_ image: Image) -> Int {
        switch self {
        case .elsewhere: Int(BH_VIA_NOWHERE.rawValue)
        case .host: Int(BH_VIA_HOST.rawValue)
        case .entry(let entry): Int(BH_VIA_RECORD.rawValue) + image.portRecord(entry: entry, protects: .host)
        }
    }
}
