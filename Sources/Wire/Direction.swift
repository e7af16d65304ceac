// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// The direction in which a packet crosses a port, as the port's `protects` defines it.
public enum Direction: String, Sendable, Hashable, CaseIterable {
    case `in`
    case out
}

extension Direction {
    /// The value of `enum bh_direction`.
    public var number: UInt32 { self == .in ? BH_IN.rawValue : BH_OUT.rawValue }
}

/// The directions in which a rule matches.
public struct Directions: Sendable, Hashable, ExpressibleByArrayLiteral {
    private var bits: UInt8 = 0

    public init(arrayLiteral directions: Direction...) {
        for direction in directions { bits |= Directions.bit(direction) }
    }

    public static let both: Directions = [.in, .out]

    public var isBoth: Bool { self == .both }
    public var count: Int { bits.nonzeroBitCount }

    public func contains(_ direction: Direction) -> Bool { bits & Directions.bit(direction) != 0 }

    private static func bit(_ direction: Direction) -> UInt8 { direction == .in ? 1 : 2 }
}
