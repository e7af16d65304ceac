// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// A guest as libvirt's XML describes it.
struct DomainDescription: Sendable {
    /// A device that the host has for it.
    struct Interface: Sendable, Hashable {
        var device: String?
        var mac: String?
        /// libvirt's network that it is in.
        var network: String?
        /// Those that the description's metadata says; nil: it says nothing.
        var addresses: [String]?
    }

    /// What an element of the metadata is of, so that it is Bulkhead's.
    static let namespace = "urn:bulkhead:workload:1"

    /// Kinds of interface with a device on the host that carries what the guest sends.
    private static let kinds: Set<String> = ["network", "bridge", "ethernet"]

    /// The later a guest was started, the higher it is.
    var number: Int
    var name: String
    var uuid: String
    var labels: [String: String] = [:]
    var interfaces: [Interface] = []
    /// Why its metadata cannot be taken; nil: they can.
    private var metadataFault: EngineError?

    /// - Throws: ``EngineError`` where it cannot be told whose description it is.
    init(_ xml: String) throws(EngineError) {
        let root: XMLNode
        do throws(EngineError) {
            root = try XMLNode(parsing: xml)
        } catch {
            throw EngineError("a guest cannot be read: \(error)")
        }
        guard root.name == "domain", let name = root.first("name")?.text, let uuid = root.first("uuid")?.text,
            (1...256).contains(name.utf8.count), (1...64).contains(uuid.utf8.count)
        else { throw EngineError("a guest has no name or no UUID") }
        number = root.attributes["id"].flatMap { Int($0) } ?? 0
        self.name = name
        self.uuid = uuid
        let metadata = root.first("metadata")?.children.first {
            $0.name == "workload" && $0.namespace == DomainDescription.namespace
        }
        var written: [String: [String]] = [:]
        do throws(EngineError) {
            written = try readMetadata(metadata)
        } catch {
            metadataFault = error
        }
        for node in root.first("devices")?.all("interface") ?? [] {
            guard let kind = node.attributes["type"], DomainDescription.kinds.contains(kind) else { continue }
            let mac = node.first("mac")?.attributes["address"]
            let device = node.first("target")?.attributes["dev"]
            // A network of the kind `direct` gives the guest a macvtap, which is the guest's own end.
            if let device, device.hasPrefix("macvtap") { continue }
            interfaces.append(
                Interface(
                    device: device, mac: mac,
                    network: kind == "network" ? node.first("source")?.attributes["network"] : nil,
                    addresses: mac.flatMap { written[$0.lowercased()] }))
        }
    }

    /// The labels, and by MAC address the addresses.
    private mutating func readMetadata(_ node: XMLNode?) throws(EngineError) -> [String: [String]] {
        var addresses: [String: [String]] = [:]
        for child in node?.children ?? [] {
            switch child.name {
            case "label":
                guard let key = child.attributes["name"], let value = child.attributes["value"] else {
                    throw fault("a label has no \"name\" or no \"value\"")
                }
                labels[key] = value
            case "interface":
                guard let mac = child.attributes["mac"] else { throw fault("an interface has no \"mac\"") }
                addresses[mac.lowercased(), default: []] += child.all("address").map(\.text)
            default: throw fault("\"\(child.name.prefix(40))\" is not known; expected label, interface")
            }
        }
        guard !Workload.isTooMuch(labels) else {
            throw fault("there are more than \(Workload.mostOfLabels) bytes of labels")
        }
        return addresses
    }

    private func fault(_ words: String) -> EngineError {
        EngineError("guest '\(name)': in its metadata \(words)", ofOneGuest: true)
    }

    /// As a workload of which no more is told than who it is.
    func refused(_ why: String) -> Workload {
        Workload(refused: uuid, name: name, uuid: uuid, devices: interfaces.map(\.device), why: why)
    }

    /// As a workload.
    ///
    /// - Parameter lent: By network and MAC address, the addresses that the network has lent.
    func workload(lent: [String: [String: [String]]]) throws(EngineError) -> Workload {
        if let metadataFault { throw metadataFault }
        var result = Workload(id: uuid, name: name, uuid: uuid, labels: labels)
        for interface in interfaces {
            let leased = interface.network.flatMap { network in
                interface.mac.flatMap { lent[network]?[$0.lowercased()] }
            }
            do throws(WorkloadLineError) {
                result.interfaces.append(
                    try Workload.Interface(
                        checking: interface.device, mac: interface.mac, addresses: interface.addresses ?? leased))
            } catch {
                throw EngineError("guest '\(name)': \(error)", ofOneGuest: true)
            }
        }
        return result
    }
}
