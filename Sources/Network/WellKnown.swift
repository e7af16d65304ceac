// SPDX-License-Identifier: Apache-2.0

/// Address blocks with a meaning of their own.
public enum WellKnown {
    public static let multicast = AddressSet([block(0xe000_0000, 4), block(UInt128(0xff) << 120, 8, .v6)])
    /// IPv4's limited broadcast.
    public static let broadcast = AddressSet([block(0xffff_ffff, 32)])
    public static let linkLocal = AddressSet([block(0xa9fe_0000, 16), block(UInt128(0xfe80) << 112, 10, .v6)])
    public static let loopback = AddressSet([block(0x7f00_0000, 8), block(1, 128, .v6)])
    public static let unspecified = AddressSet([block(0, 32), block(0, 128, .v6)])
    /// RFC 1918 and RFC 4193: what no network of the public Internet uses.
    public static let privateUse = AddressSet([
        block(0x0a00_0000, 8), block(0xac10_0000, 12), block(0xc0a8_0000, 16), block(UInt128(0xfc) << 120, 7, .v6),
    ])
    /// What cannot be the address of a device on a network.
    public static let notUnicast = multicast.union(broadcast).union(loopback).union(unspecified)

    private static func block(_ address: UInt128, _ length: Int, _ family: AddressFamily = .v4) -> Prefix {
        Prefix(IPAddress(family: family, value: address), length: length)
    }
}
