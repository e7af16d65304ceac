// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

@testable import Compiler

/// Rules between sets of addresses that overlap in too many ways for cells are bits of bitmaps.
@Suite struct BitmapTests {
    private static func ruleset(_ policy: TagPolicy) throws -> Ruleset {
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": policy.text])).load(
            "policy.yaml", requiresDevices: false
        ) { _ in .empty }
        return try #require(loaded.ruleset, "\(loaded.diagnostics.map(\.description))")
    }

    /// Thousands of bits, with some conditional rules among them.
    @Test(arguments: [0, 20_000]) func tagsAgreeWithTheReference(cellsBeforeBitmaps: Int) throws {
        var policy = TagPolicy(addresses: 400, rules: 1_500)
        policy.groups = 60
        policy.limited = 100
        let ruleset = try Self.ruleset(policy)
        let image = try Compiler(cellsBeforeBitmaps: cellsBeforeBitmaps).compile(ruleset)
        #expect(image.statistics.bitmapItems > 1_000)
        #expect(image.statistics.cells <= cellsBeforeBitmaps)
        let view = try ImageView(image.bytes)
        let reference = ReferenceEvaluator(ruleset)
        var random = RandomNumbers(seed: 1)
        var decided: Set<Int> = []
        var passedOver = 0
        for _ in 0..<4_000 {
            let probe = Self.datagram(policy, &random)
            let bytes = Frame(probe).bytes
            let packet = PacketParser.parse(bytes, frameLength: bytes.count)
            let seed = random.next()
            func holds(_ rule: Int) -> Bool { seed >> UInt64(rule % 64) & 1 == 1 }
            let expected = reference.judge(
                packet, claiming: nil, entry: 0, protects: .host, direction: .in, isUnknownToDrop: false,
                isMember: { _, _ in false }, isOwn: { _ in false }, holds: holds)
            let found = view.judge(
                packet: packet, portRecord: image.portRecord(entry: 0, protects: .host), direction: .in,
                holds: { rule in
                    if !holds(rule) { passedOver += 1 }
                    return holds(rule)
                })
            try #require(found == expected, "\(probe)")
            if let rule = expected.rule { decided.insert(rule) }
        }
        #expect(decided.count > 300)
        #expect(passedOver > 5)
    }

    /// A packet between two of the addresses, or rarely a stranger's.
    private static func datagram(_ policy: TagPolicy, _ random: inout RandomNumbers) -> Datagram {
        func address() -> IPAddress { IPAddress(v4: 0xc612_0000 + UInt32(random.number(0...policy.addresses + 4))) }
        let (source, destination) = (address(), address())
        let port = random.pick([443, 22, 53, 5432, 8050, 3306, 123, 9100, 1] as [UInt16])
        return Datagram(source, destination, random.once(in: 3) ? .udp(40_000, port) : .tcp(40_000, port))
    }

    /// Policies that nft loads. They would need 35 million cells, and 1,216 million.
    @Test(arguments: [(4_000, 2_000), (15_000, 5_000)]) func taggedAddressesFit(addresses: Int, rules: Int) throws {
        let image = try Compiler().compile(try Self.ruleset(TagPolicy(addresses: addresses, rules: rules)))
        #expect(image.bytes.count < 20 << 20)
        #expect(image.statistics.addressClasses > addresses * 39 / 40)
        let figures = try ImageView(image.bytes).classifier
        #expect(figures.tier == .bitmaps)
        #expect(figures.bitmapItems == image.statistics.bitmapItems)
        #expect(figures.bitmapItems > rules * 9 / 10)
    }

    /// Below the limit nothing is in bitmaps; above it, as few pairs of sets as need be.
    @Test func theWidestPairsGoFirst() throws {
        var policy = TagPolicy(addresses: 100, rules: 50)
        policy.groups = 12
        policy.tags = 3
        let ruleset = try Self.ruleset(policy)
        let cells = WidePairs(all: ruleset).levels.cells
        let plain = try Compiler(cellsBeforeBitmaps: cells).compile(ruleset)
        #expect(plain.statistics.bitmapItems == 0)
        #expect(plain.bytes == (try Compiler().compile(ruleset).bytes))
        let one = WidePairs(all: ruleset, cellsBeforeBitmaps: cells - 1)
        #expect(one.isWide.count { $0 } == 1)
        let all = WidePairs(all: ruleset, cellsBeforeBitmaps: 0)
        #expect(all.isWide.allSatisfy { $0 })
        #expect(all.levels.cells == 0)
    }

    /// What fits neither into bitmaps nor into cells is refused.
    @Test func tooManyAreRefused() throws {
        let ruleset = try Self.ruleset(TagPolicy(addresses: 200, rules: 300))
        var limits = Limits()
        limits.cellsBeforeBitmaps = 0
        limits.bitmapItems = 128
        limits.cells = 100
        #expect {
            try Compiler(limits: limits).compile(ruleset)
        } throws: { error in
            (error as? CompileError)?.message.contains("overlap in too many ways") ?? false
        }
        limits.cells = 1 << 24
        #expect(try Compiler(limits: limits).compile(ruleset).statistics.bitmapItems <= 128)
    }

    /// Where bitmaps need more than they save, cells are taken if they fit.
    @Test func whatFitsIsTaken() throws {
        var policy = TagPolicy(addresses: 100, rules: 2_000)
        policy.services = (1...2_000).map { "tcp/\($0)" }
        let ruleset = try Self.ruleset(policy)
        var limits = Limits()
        limits.cellsBeforeBitmaps = 0
        #expect(try Compiler(limits: limits).compile(ruleset).statistics.bitmapItems > 1_500)
        // The bitmaps of some 1,250 joint classes have at least 24 words each.
        limits.tableEntries = 20_000
        let image = try Compiler(limits: limits).compile(ruleset)
        #expect(image.statistics.bitmapItems == 0)
        #expect(image.bytes == (try Compiler().compile(ruleset).bytes))
    }

    /// Conditional rules in bitmaps count among those that one packet may have to try.
    @Test func conditionsAreCounted() throws {
        var policy = TagPolicy(addresses: 40, rules: 40)
        policy.groups = 2
        policy.tags = 2
        policy.limited = 1
        policy.services = ["tcp/443"]
        let ruleset = try Self.ruleset(policy)
        #expect {
            try Compiler(cellsBeforeBitmaps: 0).compile(ruleset)
        } throws: { error in
            (error as? CompileError)?.message.contains("one packet could match 40 rules with a condition") ?? false
        }
    }
}

extension WidePairs {
    fileprivate init(all ruleset: Ruleset, cellsBeforeBitmaps: Int = .max) {
        var sets = AddressSetTable()
        let pairs = ruleset.rules.map { rule in
            EndPair(
                from: rule.ends[0].from.map { sets.number($0) }, to: rule.ends[0].to.map { sets.number($0) })
        }
        var limits = Limits()
        limits.cellsBeforeBitmaps = cellsBeforeBitmaps
        let ranks = pairs.indices.map { UInt32($0) }
        // Within the limits of any policy, so nothing is refused.
        guard let atoms = try? AddressAtoms(sets.sets, Budget(ruleset, limits)) else { fatalError("too many sets") }
        self.init(atoms, pairs: pairs, rulesOfPair: ListTable(ranks, lists: ranks, count: pairs.count), limits)
    }
}
