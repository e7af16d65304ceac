// SPDX-License-Identifier: Apache-2.0
import Host
import Libbpf

/// A program or filter of somebody else on a device.
package struct OtherProgram: Sendable, Hashable {
    package var hook: HookName
    /// As people call it.
    package var name: String
}

extension Instance {
    /// What of others stands on a device's hooks, before or after the programs of this instance.
    package func otherPrograms(on device: DeviceID, inNamespaceCalled name: String?) -> [OtherProgram] {
        let records = (try? imageInForce(openMaps()))?.namedDevices() ?? []
        let record = records.first { $0.interfaceIndex == device.index && $0.namespaceInode == device.namespace }
        let found = try? NetworkNamespace.with(name) { () throws(DatapathError) in
            let attachment = record.map { Attachment(self, $0) }
            return HookName.allCases.flatMap { hook in
                OtherProgram.all(on: device.index, hook, but: attachment.flatMap { (try? $0.program(hook)) ?? nil })
            }
        }
        return found ?? []
    }
}

extension OtherProgram {
    /// - Parameter own: Ours on the hook.
    fileprivate static func all(on interface: UInt32, _ hook: HookName, but own: UInt32?) -> [OtherProgram] {
        var names: [String] = []
        switch hook {
        case .xdp:
            if let id = try? Program.queryXDP(interface: interface), id != own {
                names.append(Attachment.describe(program: id))
            }
        case .tcIngress, .tcEgress:
            let isEgress = hook == .tcEgress
            let linked = try? Program.query(interface: interface, hook: isEgress ? .tcxEgress : .tcxIngress)
            names += (linked ?? []).filter { $0 != own }.map(Attachment.describe)
            let filters = try? Filter.all(interface: interface, isEgress: isEgress)
            names += (filters ?? []).filter { $0.program == nil || $0.program != own }.map { filter in
                filter.program.map(Attachment.describe) ?? "a \(filter.kind) filter"
            }
        }
        return names.map { OtherProgram(hook: hook, name: $0) }
    }
}
