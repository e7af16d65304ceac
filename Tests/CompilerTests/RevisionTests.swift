// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Foundation
import Policy
import TestSupport
import Testing
import Wire

@testable import Compiler

/// An edit of what rules do or are called gives the image that compiling the new text gives, byte for byte; of any
/// other edit the policy is compiled as a whole.
@Suite struct RevisionTests {
    private static let path = EditedPolicy.path

    private func load(_ text: [UInt8]) -> LoadedPolicy {
        PolicyLoader(files: MemoryFiles([Self.path: text])).load(Self.path, requiresDevices: false) { _ in
            HostInventory()
        }
    }

    private struct Revised {
        var image: Image
        var diagnostics: [Diagnostic]
    }

    private func revise(_ old: Image, to text: [UInt8]) throws -> Revised? {
        let view = try ImageView(RevisionTests.inForce(old.bytes))
        guard let rules = view.rulesText, let file = view.fileBytes(0),
            let revision = PolicyRevision(of: file.text, rulesText: rules, to: text),
            !view.hasExpired(Timestamp(nanoseconds: 1))
        else { return nil }
        let frame = PolicyLoader(files: MemoryFiles([Self.path: revision.frame])).read(Self.path)
        let loaded = frame.resolveFrame(
            against: HostInventory(), requiresDevices: false, covered: view.covered(revision, file: Self.path))
        guard let loaded, let ruleset = loaded.ruleset,
            let image = Image(of: revision, from: view, ports: ruleset)
        else { return nil }
        return Revised(image: image, diagnostics: loaded.diagnostics)
    }

    /// The image as the kernel might hold it: the host's part is written.
    private static func inForce(_ image: [UInt8]) throws -> [UInt8] {
        var bytes = image
        let view = try ImageView(image)
        func set<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
            unsafe withUnsafeBytes(of: value) { source in
                unsafe bytes.replaceSubrange(offset..<offset + source.count, with: source)
            }
        }
        func offset<Record>(_ field: PartialKeyPath<Record>) -> Int { MemoryLayout<Record>.offset(of: field) ?? 0 }
        let header = view.header
        for field in [\bh_image_header.generation, \.device_count, \.epoch, \.before] {
            set(UInt32(77), at: offset(field))
        }
        for field in [\bh_image_header.loaded_at, \.wall_offset, \.secret, \.boot_offset, \.compiler] {
            set(UInt64(88), at: offset(field))
        }
        set(UInt64(99), at: Int(header.devices) + 2 * MemoryLayout<bh_device>.stride)
        set(UInt16(99), at: Int(header.device_ports) + 2)
        for rank in 0..<view.rankCount {
            set(UInt32(rank + 5), at: Int(header.rules) + rank * 32 + offset(\bh_rule.counter))
        }
        for index in 0..<view.conditionCount {
            let condition = Int(header.conditions) + index * MemoryLayout<bh_condition>.stride
            set(UInt32(9), at: condition + offset(\bh_condition.slot))
        }
        for index in 0..<view.groupCount {
            set(UInt32(9), at: Int(header.groups) + index * 32 + offset(\bh_group.slot))
        }
        for index in 0..<view.portCount {
            set(UInt16(9), at: Int(header.ports) + index * 64 + offset(\bh_port.flow_scope))
        }
        return bytes
    }

    @Test func anyEditGivesTheImageOfItsText() throws {
        let first = Seed.first()
        let policies = Seed.count("BULKHEAD_POLICIES", usual: 300)
        print("edits: BULKHEAD_SEED=\(first), \(policies) policies")
        var (edits, revised, refused, warned) = (0, 0, 0, 0)
        for seed in first..<first + UInt64(policies) {
            var policy = EditedPolicy(seed: seed)
            var image = try load(Array(policy.text.utf8)).ruleset.map { try Compiler().compile($0) }
            for _ in 0..<20 {
                policy.edit()
                edits += 1
                let text = Array(policy.text.utf8)
                let loaded = load(text)
                let full = try loaded.ruleset.map { try Compiler().compile($0) }
                defer { image = full ?? image }
                if full == nil { refused += 1 }
                guard let old = image, let found = try revise(old, to: text) else { continue }
                revised += 1
                if !found.diagnostics.isEmpty { warned += 1 }
                let place = "seed \(seed): \(policy.text)"
                #expect(found.image.sha256 == full?.sha256, "\(place)")
                #expect(found.image.bytes == full?.bytes, "\(place)")
                // Notes are for `check`, which reads every policy as a whole.
                #expect(found.diagnostics == loaded.diagnostics.filter { $0.severity != .note }, "\(place)")
                if found.image.bytes != full?.bytes { return }
            }
        }
        print("edits: \(edits), \(revised) taken over, \(warned) with warnings, \(refused) refused")
        guard policies >= 300 else { return }
        #expect(revised > edits / 20)
        #expect(warned > 50)
        #expect(refused > 50)
    }

    private static let text = """
        version: 1
        ports: { uplink: { interface: eth0, protects: host } }
        rules:
          - { name: a, from: 192.0.2.1, service: tcp/80, action: accept }
          - { name: b, from: 192.0.2.2, service: tcp/80, action: drop }

        """

    /// Each edit with whether the old image can be taken over.
    @Test(arguments: [
        ("name: a,", "name: c,", true), ("accept }", "drop, log: true }", true),
        ("drop }", "drop, comment: why, meta: { ticket: 7 } }", true), ("name: b", "name: a", false),
        ("tcp/80", "tcp/81", false), ("192.0.2.1", "192.0.2.3", false), ("  - { name: b", "    - { name: b", false),
        ("drop }", "drop, stateless: true }", false), ("rules:", "rules: # all", false), ("drop }", "drop", false),
        ("eth0", "eth1", false), ("drop }", "drop, log: maybe }", false), ("drop }", "drop }\n  # end", false),
        ("drop }", "drop, tag: bad }", true), ("drop }", "drop, tag: 'no name' }", false), ("drop }", "log }", false),
        ("drop }", "pass }", false), ("drop }", "drop, starts: 2030-01-31T18:00:00Z }", false),
        ("drop }", "drop, enabled: false }", false), ("drop }", "drop, enabled: true }", false),
        ("drop }", "drop, match: { hopLimit: 255 } }", false), ("drop }", "drop, fromMac: 52:54:00:00:00:01 }", false),
        ("drop }", "drop, toMac: 52:54:00:00:00:01 }", false), ("drop }", "drop, limit: { rate: 1MB/h } }", false),
    ])
    func takesOverWhatChangesNoMatch(old: String, new: String, isTaken: Bool) throws {
        let image = try Compiler().compile(try #require(load(Array(Self.text.utf8)).ruleset))
        let text = Self.text.replacing(old, with: new, maxReplacements: 1)
        #expect(text != Self.text)
        let revised = try revise(image, to: Array(text.utf8))
        #expect((revised != nil) == isTaken)
        guard let revised else { return }
        let full = try Compiler().compile(try #require(load(Array(text.utf8)).ruleset))
        #expect(revised.image.bytes == full.bytes)
    }

    private static let limit = "limit: { rate: 1kB/s, per: destination, over: true }"

    /// Each version of a rule with another, and whether the old image can be taken over.
    @Test(arguments: [
        ("action: log", "action: pass", false), ("action: log", "action: drop", false),
        ("action: pass", "action: accept", false), ("action: log, comment: x", "action: log", false),
        ("action: drop, tag: one", "action: drop, tag: two", true), ("action: drop, tag: one", "action: drop", true),
        ("action: drop, tag: one", "action: accept, tag: one", true),
        ("action: drop, tag: one, comment: x", "action: drop, log: false, tag: one, meta: { x: y }", true),
        ("action: drop, enabled: false", "action: drop, enabled: true", false),
        ("action: drop, enabled: false", "action: accept, enabled: false", false),
        ("action: drop, \(limit)", "action: drop, \(limit.replacing("1kB", with: "2kB"))", false),
        ("action: drop, \(limit)", "action: drop, \(limit.replacing("true", with: "false"))", false),
        ("action: drop, \(limit)", "action: reject, \(limit)", true),
        ("action: drop, match: { pcp: 1 }", "action: drop, match: { pcp: 2 }", false),
        ("action: drop, match: { pcp: 1 }", "action: accept, match: { pcp: 1 }", true),
        ("action: drop, fromMac: 52:54:00:00:00:01", "action: drop, fromMac: 52:54:00:00:00:02", false),
        ("action: drop, toMac: 52:54:00:00:00:01", "action: drop, comment: x, toMac: 52:54:00:00:00:01", true),
        ("action: drop, starts: 2030-01-31T18:00:00Z", "action: drop, starts: 2031-01-31T18:00:00Z", false),
        ("action: drop, starts: 2030-01-31T18:00:00Z", "action: reject, starts: 2030-01-31T18:00:00Z", true),
    ])
    func compilesWhateverDecidesWhenARuleDoes(old: String, new: String, isTaken: Bool) throws {
        func text(_ rule: String) -> [UInt8] { Array(Self.text.replacing("action: drop", with: rule).utf8) }
        let image = try Compiler().compile(try #require(load(text(old)).ruleset))
        let full = try Compiler().compile(try #require(load(text(new)).ruleset))
        let revised = try revise(image, to: text(new))
        #expect((revised != nil) == isTaken)
        if let revised { #expect(revised.image.bytes == full.bytes) }
    }

    @Test(arguments: ["layers: [{ name: first }]", "layers: [{ name: rules }]"])
    func compilesLayersAsAWhole(layers: String) throws {
        let text = Self.text + layers + "\n"
        let image = try Compiler().compile(try #require(load(Array(text.utf8)).ruleset))
        #expect(try revise(image, to: Array(text.replacing("accept", with: "drop").utf8)) == nil)
    }

    /// The image knows nothing of it, but no other rule may have its name.
    @Test func aRuleThatIsNotEnabledKeepsItsName() throws {
        let text = Self.text + "  - { name: off, action: drop, enabled: false }\n"
        let image = try Compiler().compile(try #require(load(Array(text.utf8)).ruleset))
        let edited = Array(text.replacing("name: a,", with: "name: off,").utf8)
        #expect(load(edited).ruleset == nil)
        #expect(try revise(image, to: edited) == nil)
    }

    @Test func buildsNothingOnADamagedImage() throws {
        let image = try Compiler().compile(try #require(load(Array(Self.text.utf8)).ruleset))
        let text = Array(Self.text.replacing("accept", with: "drop").utf8)
        let header = try ImageView(image.bytes).header
        #expect(try revise(image, to: text) != nil)
        for offset in [Int(header.v4_root) + 7, Int(header.lists) + 20, Int(header.rules), Int(header.strings) + 1] {
            var damaged = image
            damaged.bytes[offset] ^= 1
            #expect(try revise(damaged, to: text) == nil)
        }
    }
}
