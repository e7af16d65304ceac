// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import TestSupport

/// A large policy by its name.
enum Workload {
    static let names = """
        acl1_1k ... ipc2_10k    a ClassBench set
        joined                  all ClassBench sets of 10,000 rules
        KIND-COUNT-SEED         made up like ClassBench's; KIND is acl, fw or ipc: acl-100000-1
        routes                  each network's routed prefixes, the longest first
        feeds                   four rules over a million lines of feeds
        groups, groups-shared   5,000 rules between 200 groups, one within 500 tenants
        tenants-COUNT           rules from all but a tenant to the tenant
        tags-ADDRESSES-RULES    each address in 10 of 300 groups, and rules between groups
        sites-COUNT             unlike sites of 10,000 rules each, made up like ClassBench's
        SET-COUNT               copies of a ClassBench set at addresses of their own: acl4_10k-10
        NAME-v6                 any set of filters in IPv6
        """

    case filters(FilterSet)
    case routes(RoutedPrefixes)
    /// By the files' names; the first is the policy.
    case text([(name: String, text: String)])

    init(_ name: String, corpora: String?) throws {
        func folder() throws -> String {
            guard let corpora else { throw Failure("\(name) needs --corpora FOLDER") }
            return corpora
        }
        if name.hasSuffix("-v6") {
            guard case .filters(let set) = try Workload(String(name.dropLast(3)), corpora: corpora) else {
                throw Failure("\(name) is not there: only sets of filters are in IPv6 too")
            }
            self = .filters(set.inIPv6)
            return
        }
        let words = name.split(separator: "-").map(String.init)
        if words.count == 3, let kind = FilterGenerator.Kind(rawValue: words[0]), let count = Int(words[1]),
            let seed = UInt64(words[2])
        {
            self = .filters(FilterGenerator.filters(kind, count: count, seed: seed))
            return
        }
        switch name {
        case "joined": self = .filters(try ClassBench.joined(from: folder()))
        case "routes": self = .routes(try RoutedPrefixes(from: folder()))
        case "feeds": self = .text(try Workload.feeds(folder()))
        case "groups": self = .text([("policy.yaml", GroupPolicy().text())])
        case "groups-shared":
            var policy = GroupPolicy()
            policy.shared = 5
            self = .text([("policy.yaml", policy.text())])
        case _ where words.count == 2 && words[0] == "tenants" && Int(words[1]) != nil:
            self = .text([("policy.yaml", TenantPolicy(tenants: Int(words[1]) ?? 0).text)])
        case _ where words.count == 3 && words[0] == "tags":
            let policy = TagPolicy(addresses: Int(words[1]) ?? 0, rules: Int(words[2]) ?? 0)
            self = .text([("policy.yaml", policy.text)])
        case _ where words.count == 2 && words[0] == "sites" && Int(words[1]) != nil:
            let kinds = FilterGenerator.Kind.allCases
            let sites = (0..<(Int(words[1]) ?? 0)).map { site in
                FilterGenerator.filters(kinds[site % kinds.count], count: 10000, seed: UInt64(site + 1))
            }
            self = .filters(FilterSet(name: name, joining: sites))
        case _ where words.count == 2 && ClassBench.large.contains(words[0]) && Int(words[1]) != nil:
            let set = try ClassBench.filters(words[0], from: folder())
            self = .filters(FilterSet(name: name, joining: (0..<(Int(words[1]) ?? 0)).map { set.moved($0) }))
        case _ where (ClassBench.small + ClassBench.large).contains(name):
            self = .filters(try ClassBench.filters(name, from: folder()))
        default: throw Failure("there is no workload '\(name)'; there are:\n\(Workload.names)")
        }
    }

    private static func feeds(_ folder: String) throws -> [(name: String, text: String)] {
        func lines(_ name: String) throws -> String { try Shell.check("gzip", "-dc", "\(folder)/feeds/\(name).gz") }
        let routes = try RoutedPrefixes(from: folder).routes.map { "\($0.prefix)\n" }.joined()
        let policy = """
            version: 1
            ports: { uplink: { interface: eth0, protects: host } }
            groups:
              worst: { files: [level3.txt] }
              bad: { files: [level1.txt] }
              countries: { files: [countries-v4.txt, countries-v6.txt] }
              routed: { files: [routes.txt] }
            defaults: { in: drop, out: drop }
            rules:
              - { name: worst, from: worst, action: drop }
              - { name: bad, from: bad, service: tcp/22, action: drop }
              - { name: countries, from: countries, service: tcp/443, action: accept }
              - { name: routed, from: routed, service: udp/53, action: accept }

            """
        return [
            ("policy.yaml", policy), ("level3.txt", try lines("ipsum-level3-14217.txt")),
            ("level1.txt", try lines("ipsum-level1-120430.txt")), ("countries-v4.txt", try lines("countries-v4.txt")),
            ("countries-v6.txt", try lines("countries-v6.txt")), ("routes.txt", routes),
        ]
    }

    func ruleset() throws -> Ruleset {
        switch self {
        case .filters(let set): return set.ruleset
        case .routes(let routes): return routes.ruleset().ruleset
        case .text(let files):
            let memory = MemoryFiles(Dictionary(files.map { ($0.name, $0.text) }) { first, _ in first })
            let loaded = PolicyLoader(files: memory).load("policy.yaml", requiresDevices: false) { _ in .empty }
            guard let ruleset = loaded.ruleset else {
                throw Failure(loaded.diagnostics.map(\.description).joined(separator: "\n"))
            }
            return ruleset
        }
    }

    /// Writes a policy for `interface`, and the files that it names, to a folder.
    func write(to folder: String, interface: String) throws {
        let files: [(name: String, text: String)] =
            switch self {
            case .filters(let set): [("policy.yaml", set.policy(interface: interface))]
            case .routes: throw Failure("the routes' rules have no text")
            case .text(let files):
                files.map {
                    ($0.name, $0.text.replacingOccurrences(of: "interface: eth0", with: "interface: \(interface)"))
                }
            }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for file in files { try file.text.write(toFile: "\(folder)/\(file.name)", atomically: true, encoding: .utf8) }
    }
}

struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
