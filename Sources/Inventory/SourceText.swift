// SPDX-License-Identifier: Apache-2.0

/// Sources of workloads as an operator names them.
package enum SourceText {
    /// The file that is read where nothing else is said.
    package static let standardFile = "/etc/bulkhead/workloads.jsonl"
    package static let forms =
        "file:PATH, podman[:SOCKET], docker[:SOCKET], libvirt[:SOCKET], proxmox[:FOLDER] or incus[:SOCKET]"

    /// nil: there is no such source.
    ///
    /// - Parameter devices: Who knows which device leads to a container.
    package static func source(_ text: String, devices: any ContainerDevices) -> (any WorkloadSource)? {
        let colon = text.firstIndex(of: ":")
        let kind = String(text[..<(colon ?? text.endIndex)])
        let place = colon.map { String(text[text.index(after: $0)...]) }
        if kind == "file" { return place.flatMap { $0.isEmpty ? nil : WorkloadFileSource($0) } }
        // The agent's working directory is nobody's business.
        guard place?.hasPrefix("/") != false else { return nil }
        switch kind {
        case "libvirt": return LibvirtSource(socket: place)
        case "proxmox": return ProxmoxSource(folder: place ?? ProxmoxSource.standardFolder)
        case "incus": return IncusSource(socket: place ?? IncusSource.standardSocket)
        default:
            return ContainerEngine.Kind(rawValue: kind).map { engine in
                ContainerSource(
                    ContainerEngine(kind: engine, socket: place ?? engine.standardSocket), devices: devices)
            }
        }
    }

    /// What an agent follows that is told nothing.
    package static var standard: [any WorkloadSource] { [WorkloadFileSource(standardFile)] }
}
