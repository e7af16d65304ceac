// SPDX-License-Identifier: Apache-2.0

/// The firewalls whose rule sets can be imported.
public enum ImportFormat: String, Sendable, CaseIterable {
    case iptablesSave = "iptables-save"
    case nftJSON = "nft-json"
    case networkPolicy = "networkpolicy"
    case proxmox
}

extension ImportedPolicy {
    /// The most bytes of all files together.
    public static let sizeLimit = 64 << 20

    /// Makes a policy of a rule set. It never accepts what the rule set drops.
    ///
    /// - Parameter ports: what the devices are that the rules name; left out, each is a port of its own.
    /// - Throws: ``ImportError`` if the files are not of that format.
    public static func of(
        _ sources: [ImportSource], format: ImportFormat, ports: PortMap = PortMap()
    ) throws(ImportError) -> ImportedPolicy {
        switch format {
        case .iptablesSave:
            let systems = try SaveReader.read(sources, devices: ports.devices)
            return try FilterPlan.policy(systems, ports, title: format.rawValue)
        case .networkPolicy: return KubePlan.policy(try KubeReader.read(sources), ports)
        case .proxmox: return try ProxmoxPlan.policy(try ProxmoxReader.read(sources), ports)
        case .nftJSON:
            let read = try NftReader.read(sources, devices: ports.devices)
            return try FilterPlan.policy(read.systems, ports, title: format.rawValue, notes: read.notes)
        }
    }
}
