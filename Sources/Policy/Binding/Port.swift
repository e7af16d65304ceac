// SPDX-License-Identifier: Apache-2.0

/// What a port is: a device, and the entry of a policy that its packets are judged by. Whatever is said of a port says
/// it of one of these.
public struct Port: Sendable, Hashable {
    /// The entry's name, or `entry/device` where the entry has, or by its selector may have, several devices.
    public var name: String
    /// The entry's name.
    public var entry: String
    /// The device's name; of a missing one as the policy names it.
    public var interface: String
    /// As the policy calls the network namespace; nil: the controller's own.
    public var namespace: String?
    public var protects: Protects
    /// What else the kernel calls the device.
    public var alternativeNames: [String]

    /// - Parameter entry: nil: it is called as the port is.
    public init(
        name: String, entry: String? = nil, interface: String, namespace: String? = nil, protects: Protects,
        alternativeNames: [String] = []
    ) {
        self.name = name
        self.entry = entry ?? name
        self.interface = interface
        self.namespace = namespace
        self.protects = protects
        self.alternativeNames = alternativeNames
    }
}
