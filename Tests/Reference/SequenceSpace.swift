// SPDX-License-Identifier: Apache-2.0

/// The sequence numbers of one end of a connection: positions that never wrap, and what stands for them on the wire.
public struct SequenceSpace: Sendable, Hashable {
    /// On the wire, of position 0.
    public var initial: UInt32

    public init(initial: UInt32) { self.initial = initial }

    public func wire(_ position: Int) -> UInt32 { initial &+ UInt32(truncatingIfNeeded: position) }

    /// Of all the positions that a number may stand for, the one nearest to `reference`.
    public func position(_ wire: UInt32, near reference: Int) -> Int {
        let round = 1 << 32
        let candidate = reference - reference % round + Int(wire &- initial)
        let around = [candidate - round, candidate, candidate + round]
        return around.min { abs($0 - reference) < abs($1 - reference) } ?? candidate
    }
}
