// SPDX-License-Identifier: Apache-2.0
import Policy

/// An instance of Incus, as its API describes it without asking inside.
struct IncusGuest: Decodable, Sendable {
    /// Who has which address of a network, by what the network itself gave away.
    struct Lease: Decodable, Sendable {
        var mac: String?
        var address: String?

        private enum CodingKeys: String, CodingKey {
            case mac = "hwaddr"
            case address
        }
    }

    static let mostOfLabels = 16384

    var name: String
    var project: String?
    var status: String
    /// A time as text, which sorts by age.
    var created: String?
    var config: [String: String]?
    var devices: [String: [String: String]]?

    private enum CodingKeys: String, CodingKey {
        case name, project, status, config
        case created = "created_at"
        case devices = "expanded_devices"
    }

    var isRunning: Bool { status == "Running" || status == "Frozen" }

    /// Its devices on the network, by their names.
    private var nics: [(name: String, keys: [String: String])] {
        (devices ?? [:]).filter { $0.value["type"] == "nic" }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The networks of those that have no fixed address.
    var lendingNetworks: Set<String> {
        Set(nics.filter { IncusGuest.fixed($0.keys).isEmpty }.compactMap { $0.keys["network"] })
    }

    private static func fixed(_ keys: [String: String]) -> [String] {
        ["ipv4.address", "ipv6.address"].compactMap { keys[$0] }.filter { !$0.isEmpty && $0 != "none" }
    }

    private var place: String { project.flatMap { $0 == "default" ? nil : "\($0)/" } ?? "" }
    private var uuid: String? { config?["volatile.uuid"] }

    /// As a workload of which no more is told than who it is.
    func refused(_ why: String) -> Workload {
        let name = String((place + name).prefix(64))
        let devices = nics.compactMap { $0.keys["host_name"] ?? config?["volatile.\($0.name).host_name"] }
        return Workload(
            id: uuid ?? place + self.name, name: name.isEmpty ? "?" : name, uuid: uuid,
            interfaces: devices.compactMap { try? Workload.Interface(checking: $0) }, refusal: why)
    }

    /// - Parameter lent: By network and MAC address.
    func workload(lent: [String: [String: [String]]]) throws(EngineError) -> Workload {
        let config = config ?? [:]
        guard (1...256).contains(name.utf8.count) else { throw fault("the name is too long, or empty") }
        var result = Workload(id: uuid ?? place + name, name: place + name, uuid: uuid)
        for (key, value) in config where key.hasPrefix("user.") { result.labels[String(key.dropFirst(5))] = value }
        guard result.labels.reduce(0, { $0 + $1.key.utf8.count + $1.value.utf8.count }) <= IncusGuest.mostOfLabels
        else { throw fault("there are more than \(IncusGuest.mostOfLabels) bytes of user keys") }
        for nic in nics {
            // What is not a pair of devices, or a tap, has no end on the host that faces it.
            let device = nic.keys["host_name"] ?? config["volatile.\(nic.name).host_name"]
            let mac = nic.keys["hwaddr"] ?? config["volatile.\(nic.name).hwaddr"]
            let fixed = IncusGuest.fixed(nic.keys)
            let lent = nic.keys["network"].flatMap { network in mac.flatMap { lent[network]?[$0.lowercased()] } }
            do throws(WorkloadLineError) {
                result.interfaces.append(
                    try Workload.Interface(checking: device, mac: mac, addresses: fixed.isEmpty ? lent : fixed))
            } catch {
                throw fault("\(nic.name): \(error)")
            }
        }
        return result
    }

    private func fault(_ words: String) -> EngineError {
        EngineError("instance '\(name.prefix(80))': \(words)", ofOneGuest: true)
    }
}
