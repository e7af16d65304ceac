// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Rule sets of iptables in one namespace and what they are imported to in another: nothing passes Bulkhead that
    /// the kernel's own rules drop, and what only they accept is named.
    @Suite struct ImportTests {
        /// One rule set: the files that iptables-save and the like would have printed.
        struct RuleSet: Sendable, CustomTestStringConvertible {
            var name: String
            var files: [String: String]

            var testDescription: String { name }

            /// The files of a folder, by their names up to the first dot.
            static func all(in folder: String) -> [RuleSet] {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
                return Dictionary(grouping: names.sorted()) { String($0.split(separator: ".")[0]) }
                    .map { name, files in
                        let texts = files.map {
                            ($0, (try? String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)) ?? "")
                        }
                        return RuleSet(name: name, files: Dictionary(uniqueKeysWithValues: texts))
                    }.sorted { $0.name < $1.name }
            }

            /// The other family is held to the rules too, where only one has any.
            var families: [AddressFamily] {
                if isNft {
                    let text = files.values.joined()
                    let isBoth = text.contains("table inet") || text.contains("table netdev")
                    return (isBoth || text.contains("table ip6 ") ? [.v6] : [])
                        + (isBoth || text.contains("table ip ") ? [.v4] : [])
                }
                let names = files.keys.filter { !$0.hasSuffix(".ipset") }
                return (names.contains { $0.hasSuffix(".v6") } ? [.v6] : [])
                    + (names.contains { !$0.hasSuffix(".v6") } ? [.v4] : [])
            }

            /// The files in the order of their names.
            var texts: [String] { files.sorted { $0.key < $1.key }.map(\.value) }

            var hasLimits: Bool { texts.contains { $0.contains("limit") } }

            /// Whether nft reads it.
            var isNft: Bool { files.keys.contains { $0.hasSuffix(".nft") } }

            var devices: [String] {
                var found: [String] = []
                if isNft {
                    let words = Set(files.values.joined().split { !($0.isLetter || $0.isNumber) }.map(String.init))
                    found = words.filter { $0.hasPrefix("eth") && $0.dropFirst(3).allSatisfy(\.isNumber) }.sorted()
                    found.removeAll { $0 == "eth" }
                }
                for text in files.filter({ !$0.key.hasSuffix(".ipset") && !isNft }).sorted(by: { $0.key < $1.key }).map(
                    \.value)
                {
                    let words = text.split(whereSeparator: \.isWhitespace)
                    for (option, name) in zip(words, words.dropFirst()) where ["-i", "-o"].contains(option) {
                        let name = String(name.hasSuffix("+") ? name.dropLast() + "0" : name)
                        if name != "lo", !found.contains(name) { found.append(name) }
                    }
                }
                let few = Array(found.filter { $0.hasPrefix("eth") } + found.filter { !$0.hasPrefix("eth") }).prefix(4)
                return few.count > 1 ? Array(few) : few.isEmpty ? ["eth0", "eth1"] : Array(few) + ["eth9"]
            }
        }

        static let folder = URL(filePath: #filePath).deletingLastPathComponent().path + "/RuleSets"
        static let nftFolder = URL(filePath: #filePath).deletingLastPathComponent().path + "/NftRuleSets"
        static let nftFound = RuleSet.all(in: nftFolder)
        /// Besides those in the repository, the rule sets of a folder that the environment names.
        static let found = RuleSet.all(
            in: ProcessInfo.processInfo.environment["BULKHEAD_RULE_SETS"] ?? folder)

        @Test(arguments: found) func acceptsNoMore(_ rules: RuleSet) throws {
            try Self.compare(rules, seed: UInt64(rules.name.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xffff))
        }

        /// The environment can name another first seed, and how many.
        static let seeds: Range<Int> = {
            let first = Int(truncatingIfNeeded: Seed.first(usual: 1))
            return first..<first + Seed.count("BULKHEAD_POLICIES", usual: 6)
        }()

        @Test(arguments: seeds) func acceptsNoMoreOfAnyRules(seed: Int) throws {
            var generator = RuleSetGenerator(seed: UInt64(seed))
            try Self.compare(generator.ruleSet("generated-\(seed)"), seed: UInt64(seed))
        }

        @Test func thereAreEnough() { #expect(Self.found.count >= 25) }

        @Test(arguments: nftFound) func acceptsNoMoreThanNft(_ rules: RuleSet) throws {
            try Self.compare(rules, seed: UInt64(rules.name.utf8.reduce(11) { $0 &* 31 &+ Int($1) } & 0xffff))
        }

        @Test(arguments: seeds) func acceptsNoMoreThanAnyNft(seed: Int) throws {
            var generator = NftGenerator(seed: UInt64(seed))
            try Self.compare(generator.ruleSet("nft-\(seed)"), seed: UInt64(seed))
        }

        // MARK: Both

        static func compare(_ rules: RuleSet, seed: UInt64) throws {
            let lab = try Lab()
            defer { withExtendedLifetime(lab) {} }
            let devices = rules.devices
            let kernel = try WatchedHost(lab, "k", devices: devices)
            try load(rules, in: kernel.inside)
            var drawn = ImportProbes(rules.texts, devices: devices.count, seed: seed)
            let all = try carried(drawn.probes(2000), lab, devices)
            let allAccepted = try kernel.pass(all)
            for hasMap in [false, true] {
                // Without a map a limit does not count what is for a network's broadcast address, so another packet
                // may be the last that it lets pass.
                let isLess = !hasMap && rules.hasLimits
                let probes = isLess ? all.filter { !$0.isForNetwork } : all
                let accepted = isLess ? try accepts(probes, rules, lab, devices) : allAccepted
                let name = "\(rules.name), \(hasMap ? "with" : "without") a map"
                let host = try WatchedHost(lab, hasMap ? "m" : "b", devices: devices)
                let files = rules.isNft ? ["\(rules.name).json": try listed(kernel.inside)] : rules.files
                let policy = try imported(lab, rules, files, devices, hasMap: hasMap)
                let bulkhead = Bulkhead(lab, in: host.inside, instance: hasMap ? "m" : "b")
                // The probes are no connections from before.
                let text = policy.output.replacing("\ndefaults: { ", with: "\ndefaults: { adopt: 0s, ")
                try bulkhead.apply(lab.file("\(hasMap ? "m" : "b").yaml", text))
                let passed = try host.pass(probes)
                let more = probes.filter { passed.contains($0.number) && !accepted.contains($0.number) }
                #expect(more.map(\.words) == [], "\(name): only Bulkhead accepts\n\(policy.output)")
                let less = probes.filter {
                    $0.isOpening && rules.families.contains($0.datagram.family) && accepted.contains($0.number)
                        && !passed.contains($0.number)
                }
                let remarks = ["FORWARD has no rules", "also count what this host would forward"]
                let isSaid = policy.status == 2 || remarks.contains { policy.output.contains($0) }
                if !isSaid { #expect(less.map(\.words) == [], "\(name): lost and not named\n\(policy.output)") }
                _ = try bulkhead.run("detach", "--all")
            }
        }

        /// What another host with the rules, whose limits are unused, delivers or sends.
        private static func accepts(
            _ probes: [ImportProbe], _ rules: RuleSet, _ lab: Lab, _ devices: [String]
        ) throws -> Set<Int> {
            let kernel = try WatchedHost(lab, "l", devices: devices)
            try load(rules, in: kernel.inside)
            return try kernel.pass(probes)
        }

        /// The packets that a host without any rules delivers or sends. What the kernel drops of itself, such as a
        /// source that nobody has, no rule of the original is asked about; but it would open flows and use up limits
        /// at the hooks of Bulkhead, which come first.
        private static func carried(_ probes: [ImportProbe], _ lab: Lab, _ devices: [String]) throws -> [ImportProbe] {
            let passed = try WatchedHost(lab, "n", devices: devices).pass(probes)
            let carried = probes.filter { passed.contains($0.number) }
            // Otherwise nothing would be compared.
            for isOwn in [false, true] {
                for family in AddressFamily.allCases {
                    let kind = { (probe: ImportProbe) in
                        (probe.device == nil) == isOwn && probe.datagram.family == family
                    }
                    let (some, all) = (carried.count(where: kind), probes.count(where: kind))
                    #expect(some * 4 > all, "\(some) of \(all) packets of IPv\(family) arrive without rules")
                }
            }
            return carried
        }

        static func load(_ rules: RuleSet, in namespace: Namespace) throws {
            for (name, text) in rules.files.sorted(by: { $0.key < $1.key }) {
                switch name.split(separator: ".").last {
                case "ipset": try namespace.run("ipset", "restore", input: text)
                case "v6": try namespace.run("ip6tables-restore", input: text)
                case "nft": try namespace.run("nft", "-f", "-", input: text)
                case "legacy": try namespace.run("iptables-legacy-restore", input: text)
                default: try namespace.run("iptables-restore", input: text)
                }
            }
        }

        /// The rule set as nft lists it, without the table that watches.
        private static func listed(_ namespace: Namespace) throws -> String {
            let text = try namespace.run("nft", "-j", "list", "ruleset")
            let root = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [[String: Any]]]
            let objects = (root?["nftables"] ?? []).filter { object in
                guard let (kind, body) = object.first, let fields = body as? [String: Any] else { return true }
                return fields[kind == "table" ? "name" : "table"] as? String != "watch"
            }
            let data = try JSONSerialization.data(withJSONObject: ["nftables": objects], options: [.prettyPrinted])
            return String(decoding: data, as: UTF8.self)
        }

        static func imported(
            _ lab: Lab, _ rules: RuleSet, _ files: [String: String], _ devices: [String], hasMap: Bool
        ) throws -> CommandResult {
            let paths = try files.sorted { $0.key < $1.key }.map { try lab.file($0.key, $0.value) }
            var words = [Bulkhead.executable, "import", "--from", rules.isNft ? "nft-json" : "iptables-save"] + paths
            if hasMap {
                let lines = devices.enumerated().map { index, device in
                    let networks = "198.18.\(index).0/24, \"2001:db8:\(index)::/64\""
                    return "\(device): { port: p\(index), networks: [\(networks)\(index == 0 ? ", default" : "")] }"
                }
                words += ["--ports", try lab.file("map.yaml", lines.joined(separator: "\n") + "\n")]
            }
            let result = try Shell.run(words)
            try #require([0, 2].contains(result.status), "\(rules.name): \(result.errors)")
            return result
        }
    }
}

extension ImportProbe {
    /// For a failure's message.
    fileprivate var words: String {
        let bytes = datagram.segment.bytes.prefix(14).map { String(format: "%02x", $0) }.joined()
        return "\(number): \(device.map { "by device \($0)" } ?? "own") \(datagram.source) > \(datagram.destination)"
            + " protocol \(datagram.segment.number) \(bytes)"
    }
}
