// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// A guest of Proxmox VE, as its configuration file has it.
struct ProxmoxGuest: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case machine = "qemu-server"
        case container = "lxc"

        /// The name of the host's device of a guest's interface.
        func device(_ number: UInt32, _ interface: UInt32) -> String {
            switch self {
            case .machine: "tap\(number)i\(interface)"
            case .container: "veth\(number)i\(interface)"
            }
        }
    }

    let workload: Workload

    /// - Parameters:
    ///   - number: The guest's, which is the file's name.
    ///   - text: Of the file. What comes after the first `[` is of snapshots.
    init(_ kind: Kind, number: UInt32, _ text: String) throws(EngineError) {
        let fields = ProxmoxGuest.fields(text)
        func fault(_ words: String) -> EngineError {
            EngineError("\(kind.rawValue)/\(number).conf: \(words)", ofOneGuest: true)
        }
        let name = fields[kind == .machine ? "name" : "hostname"] ?? "\(number)"
        guard (1...256).contains(name.utf8.count) else { throw fault("the name is too long, or empty") }
        var result = Workload(
            id: ProxmoxGuest.id(kind, number), name: name,
            uuid: fields["smbios1"].flatMap { ProxmoxGuest.options($0)["uuid"] })
        for tag in fields["tags"]?.split(whereSeparator: { ";, ".contains($0) }) ?? [] {
            result.labels[String(tag)] = "true"
        }
        result.labels["vmid"] = "\(number)"
        for interface in UInt32(0)..<32 {
            guard let value = fields["net\(interface)"] else { continue }
            let net = ProxmoxGuest.options(value)
            do throws(WorkloadLineError) {
                result.interfaces.append(
                    try Workload.Interface(
                        checking: kind.device(number, interface), mac: ProxmoxGuest.mac(net),
                        addresses: ProxmoxGuest.addresses(
                            kind == .container ? net : ProxmoxGuest.options(fields["ipconfig\(interface)"] ?? ""))))
            } catch {
                throw fault("net\(interface): \(error)")
            }
        }
        workload = result
    }

    static func id(_ kind: Kind, _ number: UInt32) -> String { "\(kind.rawValue)/\(number)" }

    /// `KEY: VALUE` by line, up to the first section of a snapshot.
    private static func fields(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("[") { break }
            guard !line.hasPrefix("#"), let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            result[String(line[..<colon])] = String(value)
        }
        return result
    }

    /// `KEY=VALUE` by comma.
    private static func options(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for part in text.split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else { continue }
            result[String(part[..<equals])] = String(part[part.index(after: equals)...])
        }
        return result
    }

    /// A container's is `hwaddr`; of a machine, the model of the device is the key.
    private static func mac(_ net: [String: String]) -> String? {
        net["hwaddr"] ?? net["macaddr"] ?? net.values.filter { MACAddress($0) != nil }.min()
    }

    /// The fixed ones; nil: there are none, and what the guest gets by itself is not known.
    private static func addresses(_ options: [String: String]) -> [String]? {
        let fixed = ["ip", "ip6"].compactMap { options[$0] }.filter { $0.first?.isHexDigit == true && $0.contains("/") }
        // `dhcp`, `auto` and `manual` have no prefix.
        return fixed.isEmpty ? nil : fixed.map { String($0.prefix { $0 != "/" }) }
    }
}
