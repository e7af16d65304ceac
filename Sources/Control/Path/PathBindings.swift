// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Policy

/// What a policy says of devices, for where the kernel says nothing.
struct PathBindings: Sendable {
    struct Binding: Sendable {
        /// Index of the port.
        var port: Int
        var protects: Protects
        var addresses: [Prefix]
    }

    var byDevice: [DeviceID: Binding] = [:]

    /// Whether the policy binds the address to the device.
    func binds(_ address: IPAddress, to device: DeviceID) -> Bool {
        byDevice[device]?.addresses.contains { $0.contains(address) } == true
    }

    /// Whether an address that is bound nowhere may lie beyond the device: not beyond that of a workload which has
    /// addresses of its own.
    func mayLead(beyond device: DeviceID) -> Bool {
        guard let binding = byDevice[device] else { return true }
        return binding.protects == .host || binding.addresses.isEmpty
    }

    func isWorkload(_ device: DeviceID) -> Bool { byDevice[device]?.protects == .workload }
}
