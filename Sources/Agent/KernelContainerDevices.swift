// SPDX-License-Identifier: Apache-2.0
import Host
import Inventory

/// What the kernel knows of the devices that lead to containers.
struct KernelContainerDevices: ContainerDevices {
    func ends(inNamespaces paths: [String]) throws(EngineError) -> [String: [HostEnd]] {
        guard !paths.isEmpty else { return [:] }
        do throws(HostError) {
            return try VethEnd.all(inNamespaces: paths).mapValues { ends in
                ends.map { HostEnd(device: $0.device, bridge: $0.bridge) }
            }
        } catch {
            throw EngineError(error.message)
        }
    }
}
