// SPDX-License-Identifier: Apache-2.0
import Network

/// The policy's named services, each resolved to a list of alternatives.
struct ServiceTable {
    private var indices: [String: Int] = [:]
    private var resolved: [[Service]] = []
    private var places: [SourceLocation] = []
    /// The services that a rule, an assertion or another service refers to.
    private let used = UsedServices()
    private let problems: Problems

    /// Notes what is looked up.
    private final class UsedServices {
        var indices: Set<Int> = []
    }

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
            places.append(entry.keyLocation)
        }
        resolve(written, names: entries.map(\.key))
    }

    /// Every service that the policy defines, by its name.
    var named: [String: [Service]] { indices.mapValues { resolved[$0] } }

    /// The alternatives of a service as written. Undefined names are reported.
    func services(_ written: WrittenService) -> [Service] {
        // What most rules ask for.
        if written.names.isEmpty, written.differences.isEmpty, written.services.count <= 1 { return written.services }
        var result: [Service] = []
        var seen: Set<Service> = []
        // Without repetitions, so that services made of services do not grow exponentially.
        func add(_ services: [Service]) { result += services.filter { seen.insert($0).inserted } }
        add(written.services)
        for (name, location) in written.names { add(services(named: name, at: location)) }
        for (any, except, location) in written.differences { add(difference(any, except, at: location)) }
        return result
    }

    private func services(named name: String, at location: SourceLocation) -> [Service] {
        if name == "ping" { return CommonService.ping }
        if let index = indices[name] {
            used.indices.insert(index)
            return resolved[index]
        }
        if let common = CommonService.services(name) { return common }
        reportUndefined(name, location)
        return []
    }

    func warnOfUnused() {
        // If a name is misspelt elsewhere, the service that was meant only seems unused.
        if problems.hasErrors { return }
        for (name, index) in indices.sorted(by: { $0.value < $1.value }) where !used.indices.contains(index) {
            problems.note(
                places[index], "service \"\(name)\" is defined and never used", Finding(.unused))
        }
    }

    // MARK: Differences

    private func difference(
        _ any: WrittenService, _ except: WrittenService, at location: SourceLocation
    ) -> [Service] {
        var left = wholeProtocols(any)
        for service in wholeProtocols(except) {
            do throws(Service.NoDifference) {
                left = try Self.subtracting(service, from: left)
            } catch {
                problems.error(location, error.reason)
                return []
            }
        }
        if left.isEmpty { problems.warning(location, "the service is empty: \"except\" takes all of \"any\" away") }
        return left
    }

    private static func subtracting(
        _ service: Service, from services: [Service]
    ) throws(Service.NoDifference) -> [Service] {
        var left: [Service] = []
        for alternative in services { left += try alternative.subtracting(service) }
        return left
    }

    /// The alternatives, where a protocol's name alone stands for all of it.
    private func wholeProtocols(_ written: WrittenService) -> [Service] {
        var named = written
        var whole: [Service] = []
        named.names.removeAll { name, _ in
            guard indices[name] == nil, let service = Self.wholeProtocol(name) else { return false }
            whole.append(service)
            return true
        }
        return whole + services(named)
    }

    private static func wholeProtocol(_ name: String) -> Service? {
        switch name {
        case "icmp": .icmp(.v4, type: nil, code: nil)
        case "icmpv6": .icmp(.v6, type: nil, code: nil)
        default:
            ServiceText.portProtocols[name].map {
                .ports(protocol: $0, destination: [ServiceText.anyPort], source: [ServiceText.anyPort])
            }
        }
    }

    // MARK: Names

    private mutating func resolve(_ written: [WrittenService], names: [String]) {
        let edges = written.map { $0.allNames.compactMap { indices[$0.name] } }
        let order = DependencyOrder(edges)
        for cycle in order.cycles {
            let chain = (cycle + [cycle[0]]).map { index in indices.first { $0.value == index }?.key ?? "" }
            let place = written[cycle[0]].allNames.first { indices[$0.name] == (cycle + [cycle[0]])[1] }?.location
            if let place {
                problems.error(place, "services refer to each other in a circle: \(chain.joined(separator: " > "))")
            }
        }
        resolved = Array(repeating: [], count: written.count)
        for index in order.sorted { resolved[index] = services(written[index]) }
    }

    private func reportUndefined(_ name: String, _ location: SourceLocation) {
        let remedy =
            ServiceRemedy.text(name)
            ?? problems.suggestion(for: name, among: indices.keys.sorted() + CommonService.names + ["ping"])
        problems.error(location, "undefined service \"\(name)\"\(remedy)")
    }
}
