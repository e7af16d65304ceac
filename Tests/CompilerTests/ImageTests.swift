// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Network
import Policy
import TestSupport
import Testing

@Suite struct ImageTests {
    private func view(_ ruleset: Ruleset = SmallPolicy.ruleset) throws -> (image: Image, view: ImageView) {
        let image = try Compiler().compile(ruleset)
        return (image, try ImageView(image.bytes))
    }

    // MARK: What people read

    @Test func carriesThePolicysText() throws {
        let (_, view) = try view()
        #expect(view.fileCount == 2)
        #expect(view.file(0) == SourceFile(name: "policy.yaml", text: "version: 1\n# Tür\n"))
        #expect(view.file(1) == SourceFile(name: "more.yaml", text: ""))
        #expect(view.file(2) == nil)
    }

    @Test func carriesRules() throws {
        let (_, view) = try view()
        #expect(view.ruleCount == SmallPolicy.rules.count)
        for (rank, rule) in SmallPolicy.rules.enumerated() {
            let record = try #require(view.rule(rank))
            #expect(record.name == rule.name)
            #expect(record.location.file == "policy.yaml")
            #expect(record.location.line == rule.location.line)
            #expect(record.action == rule.action)
            #expect(record.log == rule.log)
            #expect(record.isStateless == rule.isStateless)
            #expect(record.counter == 0)
        }
        #expect(view.rule(SmallPolicy.rules.count) == nil)
        #expect(view.rule(-1) == nil)
    }

    @Test(arguments: [Protects.host, .workload]) func carriesPorts(protects: Protects) throws {
        let (image, view) = try view()
        #expect(view.portCount == 8)
        for (number, entry) in SmallPolicy.entries.enumerated() {
            let record = try #require(view.port(image.portRecord(entry: number, protects: protects)))
            #expect(image.portRecord(entry: number, protects: protects) == 2 * number + (protects == .host ? 0 : 1))
            #expect(record.name == entry.name)
            #expect(record.protects == protects)
            #expect(record.location.line == entry.location.line)
            #expect(record.defaultIn == entry.defaults.in)
            #expect(record.defaultOut == entry.defaults.out)
            #expect(record.inLocation.line == entry.defaults.inLocation.line)
            #expect(record.outLocation.line == entry.defaults.outLocation.line)
            #expect(record.essentials == entry.defaults.essentials)
            #expect(record.tcp == entry.tcp)
            #expect(!record.isUnknownToDrop)
        }
        let unknown = try #require(
            view.port(image.portRecord(entry: 2, protects: protects, unknownToDrop: true)))
        #expect(unknown.isUnknownToDrop)
        #expect(unknown.protects == protects)
        #expect(unknown.name == "guests")
    }

    @Test func refusesWhatIsNoImage() throws {
        let (image, _) = try view()
        #expect(throws: ImageError.self) { try ImageView([]) }
        #expect(throws: ImageError.self) { try ImageView([UInt8](repeating: 0, count: 4096)) }
        #expect(throws: ImageError.self) { try ImageView(Array(image.bytes.dropLast())) }
        var other = image.bytes
        other[8] = 99
        #expect(throws: ImageError(message: "the image has format 99, but this version reads format 10")) {
            try ImageView(other)
        }
    }

    @Test(
        arguments: [
            \bh_image_header.v4_root, \.nodes, \.values, \.classes, \.protocols, \.vlan_classes, \.contexts, \.joints,
            \.matches, \.partitions.0.buckets, \.partitions.8.buckets, \.lists, \.run_pages, \.runs, \.run_values,
            \.rules, \.ports,
            \.item_ranks, \.source_words, \.destination_words, \.joint_bitmaps, \.joint_words, \.selectors, \.strings,
            \.device_ports, \.devices,
        ] as [KeyPath<bh_image_header, UInt32> & Sendable]
    ) func refusesTablesOutside(table: KeyPath<bh_image_header, UInt32> & Sendable) throws {
        let (image, _) = try view()
        let offset = try #require(MemoryLayout<bh_image_header>.offset(of: table))
        for place in [0, 500, UInt32(image.bytes.count) + 64, 0xffff_ff00] as [UInt32] {
            var bytes = image.bytes
            for byte in 0..<4 { bytes[offset + byte] = UInt8(truncatingIfNeeded: place >> UInt32(8 * byte)) }
            #expect(throws: ImageError.self) { try ImageView(bytes) }
        }
    }

    // MARK: Bytes

    @Test func hashesAllButTheHostsPart() throws {
        let (image, view) = try view()
        #expect(view.sha256 == image.sha256)
        var bytes = image.bytes
        for (offset, count) in [
            (MemoryLayout<bh_image_header>.offset(of: \.sha256), 32),
            (MemoryLayout<bh_image_header>.offset(of: \.device_ports), 4),
            (MemoryLayout<bh_image_header>.offset(of: \.devices), 4),
        ] {
            let start = try #require(offset)
            bytes.replaceSubrange(start..<start + count, with: [UInt8](repeating: 0, count: count))
        }
        #expect(SHA256.digest(of: bytes) == image.sha256)
    }

    @Test func allotsTheHostsTables() throws {
        let (image, view) = try view()
        let header = view.header
        #expect(header.generation == 0)
        #expect(header.device_count == 0)
        #expect(header.loaded_at == 0)
        let ports = Int(header.device_ports)..<Int(header.device_ports) + Int(BH_DEVICES_MAX) * 2
        let devices = Int(header.devices)..<Int(header.devices) + Int(BH_DEVICES_MAX) * MemoryLayout<bh_device>.size
        #expect(image.bytes[ports].allSatisfy { $0 == 0 })
        #expect(image.bytes[devices].allSatisfy { $0 == 0 })
        #expect(devices.lowerBound % MemoryLayout<bh_device>.size == 0)
        #expect(!ports.overlaps(devices))
    }

    /// Comments and metadata of rules are read back in order; a rule without them has none.
    @Test func carriesWhatIsWrittenAtRules() throws {
        var ruleset = SmallPolicy.ruleset
        ruleset.rules[0].comment = "until the move"
        ruleset.rules[0].meta = [("owner", "ops"), ("", "no key"), ("ticket", "NET-17")]
        ruleset.rules[1].meta = [("owner", "dev")]
        let rules = try view(ruleset).view.rules
        #expect(
            rules[0].note
                == RuleNote(
                    comment: "until the move",
                    meta: [
                        .init(key: "owner", value: "ops"), .init(key: "", value: "no key"),
                        .init(key: "ticket", value: "NET-17"),
                    ]))
        #expect(rules[1].note == RuleNote(meta: [.init(key: "owner", value: "dev")]))
        #expect(rules.dropFirst(2).allSatisfy { $0.note == nil })
    }

    @Test func givesTheSameBytesAgain() throws {
        for seed in 0..<5 as Range<UInt64> {
            let ruleset = RandomPolicy(seed: seed, size: seed == 0 ? .large : .small).ruleset
            #expect(try Compiler().compile(ruleset).bytes == Compiler().compile(ruleset).bytes)
        }
    }

    /// Swift seeds its hashing anew in each process; another process must produce the same bytes all the same.
    @Test func givesTheSameBytesInAnotherProcess() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let image = try Compiler().compile(RandomPolicy(seed: 7, size: .large).ruleset)
            print("sha256 \(image.sha256)")
        }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        let image = try Compiler().compile(RandomPolicy(seed: 7, size: .large).ruleset)
        #expect(output.contains("sha256 \(image.sha256)\n"))
    }

    @Test func changesWithThePolicy() throws {
        var ruleset = SmallPolicy.ruleset
        let before = try view(ruleset).image.sha256
        ruleset.rules[0].comment = "until the move"
        #expect(try view(ruleset).image.sha256 != before)
        ruleset.rules[0].comment = nil
        #expect(try view(ruleset).image.sha256 == before)
        ruleset.rules[0].action = .accept
        #expect(try view(ruleset).image.sha256 != before)
    }

    /// The sizes of the small policy's tables, each worked out by hand.
    @Test func compilesTheSmallPolicy() throws {
        var expected = Image.Statistics()
        expected.rules = 7
        // None, bad, web, office.
        expected.addressClasses = 4
        // Two for each IPv4 block; in IPv6 one where web and office diverge, and two runs to web's host.
        expected.nodes = 9
        // None, IP, TCP 443, TCP 22, and the two EtherTypes together.
        expected.services = 5
        // With and without the ssh rule, in VLAN 7 and elsewhere.
        expected.contexts = 4
        expected.jointClasses = 8
        expected.cells = 6
        // The two pairs of tenants share one list.
        expected.lists = 5
        expected.longLists = 0
        let (image, view) = try view()
        #expect(image.statistics == expected)
        #expect(
            view.classifier
                == ClassifierFigures(tier: .lists, rules: 7, addressClasses: 4, cells: 6, bytes: image.bytes.count))
    }

    // MARK: Limits

    @Test func compilesAPolicyWithoutPortsOrRules() throws {
        let (_, view) = try view(Ruleset(files: [], entries: [], groups: [], rules: []))
        #expect(view.portCount == 0)
        #expect(view.ruleCount == 0)
    }

    @Test func refusesTooManyRules() {
        var ruleset = SmallPolicy.ruleset
        ruleset.rules = Array(repeating: SmallPolicy.rules[0], count: Int(BH_RULES_MAX) + 1)
        #expect {
            try Compiler().compile(ruleset)
        } throws: { error in
            let error = error as? CompileError
            return error?.message == "the policy has 262145 rules, at most 262144 are allowed" && error?.rule == "bad"
        }
    }

    @Test func refusesTooMuchText() {
        var ruleset = SmallPolicy.ruleset
        let line = String(repeating: "#", count: 1 << 20)
        ruleset.files = Array(repeating: SourceFile(name: "policy.yaml", text: line), count: 257)
        #expect(throws: CompileError.self) { try Compiler().compile(ruleset) }
    }

    @Test func refusesTooManyPorts() {
        var ruleset = SmallPolicy.ruleset
        ruleset.entries = Array(repeating: SmallPolicy.entries[0], count: 40_000)
        #expect(
            throws: CompileError(message: "the policy is too large: 80000 port records, at most 32766 are allowed")
        ) { try Compiler().compile(ruleset) }
    }

    /// Rules between complements overlap everywhere: each pair of classes is a cell of each rule, and there are more
    /// rules than bitmaps hold.
    @Test func refusesWhatMultiplies() {
        let location = SmallPolicy.location(1)
        let sets = (0..<600 as Range<UInt32>).map { number in
            AddressSet.all.subtracting(AddressSet([Prefix(IPAddress(v4: 0xc612_0000 + number * 2))]))
        }
        let rules = (0..<17_000).map { number in
            Rule(
                name: "rule-\(number)", location: location,
                ends: [.init(from: sets[number % 600], to: sets[(number + number / 600 * 20) % 600])], action: .accept)
        }
        let ruleset = Ruleset(files: [], entries: SmallPolicy.entries, groups: [], rules: rules)
        #expect {
            try Compiler().compile(ruleset)
        } throws: { error in
            (error as? CompileError)?.message.contains("overlap in too many ways: ") == true
        }
    }
}
