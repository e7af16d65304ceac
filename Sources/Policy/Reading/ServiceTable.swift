// SPDX-License-Identifier: Apache-2.0

/// The policy's named services, each resolved to a list of alternatives.
struct ServiceTable {
    /// Echo requests of both families.
    static let ping: [Service] = [.icmp(.v4, type: 8, code: nil), .icmp(.v6, type: 128, code: nil)]

    private var indices: [String: Int] = [:]
    private var resolved: [[Service]] = []
    private let problems: Problems

    init(_ entries: [Node.Entry], _ problems: Problems) {
        self.problems = problems
        let parser = ServiceParser(problems: problems)
        var written: [WrittenService] = []
        for entry in entries {
            let service = parser.parse(entry.value)
            guard problems.isName(entry.key, at: entry.keyLocation, "the service name") else { continue }
            guard entry.key != "ping" else {
                problems.error(entry.keyLocation, "\"ping\" is a reserved service and cannot be defined")
                continue
            }
            indices[entry.key] = written.count
            written.append(service)
        }
        resolve(written, names: entries.map(\.key))
    }

    /// All services by name.
    var named: [String: [Service]] { indices.mapValues { resolved[$0] } }

    /// The alternatives of a service as written. Undefined names are reported.
    func services(_ written: WrittenService) -> [Service] {
        // The common case.
        if written.names.isEmpty, written.services.count <= 1 { return written.services }
        var result: [Service] = []
        var seen: Set<Service> = []
        // Without repetitions, so that services made of services do not grow exponentially.
        func add(_ services: [Service]) { result += services.filter { seen.insert($0).inserted } }
        add(written.services)
        for (name, location) in written.names {
            if name == "ping" {
                add(ServiceTable.ping)
            } else if let index = indices[name] {
                add(resolved[index])
            } else {
                reportUndefined(name, location)
            }
        }
        return result
    }

    private mutating func resolve(_ written: [WrittenService], names: [String]) {
        let edges = written.map { $0.names.compactMap { indices[$0.name] } }
        let order = DependencyOrder(edges)
        for cycle in order.cycles {
            let chain = (cycle + [cycle[0]]).map { index in indices.first { $0.value == index }?.key ?? "" }
            let place = written[cycle[0]].names.first { indices[$0.name] == (cycle + [cycle[0]])[1] }?.location
            if let place {
                problems.error(place, "services refer to each other in a circle: \(chain.joined(separator: " > "))")
            }
        }
        resolved = Array(repeating: [], count: written.count)
        for index in order.sorted { resolved[index] = services(written[index]) }
    }

    private func reportUndefined(_ name: String, _ location: SourceLocation) {
        if ["tcp", "udp", "sctp", "icmp", "icmpv6"].contains(name) {
            problems.error(location, "undefined service \"\(name)\"; for any packet of that protocol write \(name)/*")
            return
        }
        let suggestion = problems.suggestion(for: name, among: indices.keys.sorted() + ["ping"])
        problems.error(location, "undefined service \"\(name)\"\(suggestion)")
    }
}
