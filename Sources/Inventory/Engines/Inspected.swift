// SPDX-License-Identifier: Apache-2.0
import Policy

/// What an engine says of one container.
struct Inspected: Decodable, Sendable {
    struct State: Decodable, Sendable {
        var isRunning: Bool
        var process: Int32?

        private enum CodingKeys: String, CodingKey {
            case isRunning = "Running"
            case process = "Pid"
        }
    }
    struct Config: Decodable, Sendable {
        var labels: [String: String]?

        private enum CodingKeys: String, CodingKey { case labels = "Labels" }
    }
    struct HostConfig: Decodable, Sendable {
        var networkMode: String?

        private enum CodingKeys: String, CodingKey { case networkMode = "NetworkMode" }
    }
    struct Endpoint: Decodable, Sendable {
        var network: String?
        var mac: String?
        var v4: String?
        var v6: String?

        private enum CodingKeys: String, CodingKey {
            case network = "NetworkID"
            case mac = "MacAddress"
            case v4 = "IPAddress"
            case v6 = "GlobalIPv6Address"
        }

        fileprivate var addresses: [String] { [v4, v6].compactMap { $0 }.filter { !$0.isEmpty } }
    }
    struct Settings: Decodable, Sendable {
        var sandbox: String?
        var endpoints: [String: Endpoint]?

        private enum CodingKeys: String, CodingKey {
            case sandbox = "SandboxKey"
            case endpoints = "Networks"
        }
    }

    var id: String
    var writtenName: String
    var state: State
    var config: Config?
    var hostConfig: HostConfig?
    var settings: Settings?

    private enum CodingKeys: String, CodingKey {
        case id = "Id"
        case writtenName = "Name"
        case state = "State"
        case config = "Config"
        case hostConfig = "HostConfig"
        case settings = "NetworkSettings"
    }

    private var name: String { writtenName.first == "/" ? String(writtenName.dropFirst()) : writtenName }

    /// The path of its network namespace; nil: it has none of its own.
    var namespacePath: String? {
        let mode = hostConfig?.networkMode ?? ""
        // One that shares another's has no device of its own.
        guard mode != "host", !mode.hasPrefix("container:"), !mode.hasPrefix("ns:") else { return nil }
        if let key = settings?.sandbox, key.hasPrefix("/") { return key }
        return state.process.flatMap { $0 > 0 ? "/proc/\($0)/ns/net" : nil }
    }

    /// Its networks, by their names.
    var networks: [(name: String, endpoint: Endpoint)] {
        guard namespacePath != nil else { return [] }
        return (settings?.endpoints ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            .filter { !($0.endpoint.mac ?? "").isEmpty || !$0.endpoint.addresses.isEmpty }
    }

    /// As a workload of which no more is told than who it is.
    func refused(_ devices: [String: String], _ why: String) -> Workload {
        Workload(refused: id, name: name, uuid: id, devices: devices.values.sorted(), why: why)
    }

    /// As a workload, with these devices by network.
    func workload(_ devices: [String: String]) throws(EngineError) -> Workload {
        let labels = config?.labels ?? [:]
        guard !Workload.isTooMuch(labels) else {
            throw EngineError(
                "container '\(name.prefix(80))' has more than \(Workload.mostOfLabels) bytes of labels",
                ofOneGuest: true)
        }
        guard (1...256).contains(name.utf8.count), (1...128).contains(id.utf8.count) else {
            throw EngineError("container '\(name.prefix(80))' has a name that is too long, or none", ofOneGuest: true)
        }
        do {
            let interfaces = try networks.map { network, endpoint in
                try Workload.Interface(
                    checking: devices[network], mac: endpoint.mac.flatMap { $0.isEmpty ? nil : $0 },
                    addresses: endpoint.addresses.isEmpty ? nil : endpoint.addresses)
            }
            return Workload(id: id, name: name, uuid: id, labels: labels, interfaces: interfaces)
        } catch {
            throw EngineError("container '\(name.prefix(80))': \(error)", ofOneGuest: true)
        }
    }
}
