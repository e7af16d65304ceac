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
    private var id: String { uuid ?? place + name }

    /// What an interface was given, or got when it was started.
    private func stated(_ key: String, of nic: (name: String, keys: [String: String])) -> String? {
        nic.keys[key] ?? config?["volatile.\(nic.name).\(key)"]
    }

    /// As a workload of which no more is told than who it is.
    func refused(_ why: String) -> Workload {
        Workload(
            refused: id, name: name.isEmpty ? "" : place + name, uuid: uuid,
            devices: nics.map { stated("host_name", of: $0) }, why: why)
    }

    /// - Parameter lent: By network and MAC address.
    func workload(lent: [String: [String: [String]]]) throws(EngineError) -> Workload {
        guard (1...256).contains(name.utf8.count) else { throw fault("the name is too long, or empty") }
        var result = Workload(id: id, name: place + name, uuid: uuid)
        for (key, value) in config ?? [:] where key.hasPrefix("user.") {
            result.labels[String(key.dropFirst(5))] = value
        }
        guard !Workload.isTooMuch(result.labels) else {
            throw fault("there are more than \(Workload.mostOfLabels) bytes of user keys")
        }
        for nic in nics {
            // What is not a pair of devices, or a tap, has no end on the host that faces it.
            let device = stated("host_name", of: nic)
            let mac = stated("hwaddr", of: nic)
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
