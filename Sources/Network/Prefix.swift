// SPDX-License-Identifier: Apache-2.0

/// An address block: an address and how many of its leading bits count.
public struct Prefix: Sendable, Hashable {
    /// The first address; bits beyond `length` are zero.
    public let address: IPAddress
    public let length: Int

    /// Cuts `address` to its first `length` bits, which must not be more than the family has.
    public init(_ address: IPAddress, length: Int) {
        precondition((0...address.family.bits).contains(length), "prefix length out of range")
        self.address = IPAddress(
            family: address.family, value: address.value & ~Prefix.hostMask(address.family, length))
        self.length = length
    }

    /// The block of one address.
    public init(_ address: IPAddress) { self.init(address, length: address.family.bits) }

    public var family: AddressFamily { address.family }
    public var first: UInt128 { address.value }
    public var last: UInt128 { address.value | Prefix.hostMask(family, length) }

    public func contains(_ other: IPAddress) -> Bool {
        other.family == family && (first...last).contains(other.value)
    }

    static func hostMask(_ family: AddressFamily, _ length: Int) -> UInt128 {
        UInt128.max >> UInt128(128 - family.bits + length)
    }
}

extension Prefix: CustomStringConvertible {
    /// The address alone if the block is one address, else `address/length`.
    public var description: String { length == family.bits ? "\(address)" : "\(address)/\(length)" }
}

extension Prefix {
    /// Why a text is not a prefix.
    public enum ParseError: Error, Sendable, Hashable {
        case notAnAddress
        case badLength
        /// Bits beyond the length are set; the prefix that was likely meant.
        case hostBits(Prefix)
    }
}
