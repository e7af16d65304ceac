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
    package func otherPrograms(
        on device: DeviceID, inNamespaceCalled name: String?
    ) throws(DatapathError) -> [OtherProgram] {
        let records = (try? imageInForce(openMaps()))?.namedDevices() ?? []
        let record = records.first { $0.interfaceIndex == device.index && $0.namespaceInode == device.namespace }
        return try NetworkNamespace.with(name) { () throws(DatapathError) in
            let attachment = record.map { Attachment(self, $0) }
            return HookName.allCases.flatMap { hook in
                OtherProgram.all(on: device.index, hook, but: attachment.flatMap { (try? $0.program(hook)) ?? nil })
            }
        }
    }
}

extension OtherProgram {
    /// - Parameter own: Ours on the hook.
    fileprivate static func all(on interface: UInt32, _ hook: HookName, but own: UInt32?) -> [OtherProgram] {
        let found =
            switch hook {
            case .xdp: [HookedProgram.onXDP(interface)].compactMap(\.self)
            // A kernel with TCX runs the filters too.
            case .tcIngress, .tcEgress:
                HookedProgram.linked(hook, interface) + HookedProgram.filters(hook, interface)
            }
        return found.filter { $0.program == nil || $0.program != own }.map { OtherProgram(hook: hook, name: $0.words) }
    }
}
