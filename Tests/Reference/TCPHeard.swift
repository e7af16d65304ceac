// SPDX-License-Identifier: Apache-2.0

/// One of the two hosts.
public enum Side: Int, Sendable, Hashable, CaseIterable {
    case outside, inside

    public var other: Side { self == .outside ? .inside : .outside }
}

/// What somebody between two hosts has heard one of them say in one connection: only what got that far.
struct TCPHeard: Sendable {
    /// The position 0 is the first number that was heard, or the SYN's.
    var space: SequenceSpace
    /// Behind the last that it sent.
    var end: Int
    /// It sent a SYN, or one that was not heard came before.
    var scale: UInt8?
    var hasSYN: Bool
    var hasFIN = false
    /// The highest number of the peer's that it acknowledged, by the peer's space.
    var acknowledged: UInt32?
    /// What it granted the peer, counted from there: with its true scale, and with any that may be.
    var granted = 0
    var grantedAtMost = 0
    var largestWindow = 0
    /// With any scale that may be.
    var largestAtMost = 0

    init(_ segment: TCPSegment) {
        space = SequenceSpace(initial: segment.sequence)
        end = segment.length
        hasSYN = segment.flags.contains(.syn)
        scale = segment.scale
        // What a SYN offers holds until it is acknowledged, and a filter cannot know of a window that closes behind it.
        grantedAtMost = Int(segment.window)
    }

    func position(_ wire: UInt32) -> Int { space.position(wire, near: end) }

    /// - Parameter scale: its true one, whoever knows it.
    mutating func note(_ segment: TCPSegment, trueScale: UInt8, knowsScale: Bool) {
        if segment.flags.contains(.syn) {
            hasSYN = true
            scale = segment.scale
        }
        if segment.flags.contains(.fin) { hasFIN = true }
        end = max(end, position(segment.sequence) + segment.length)
        guard segment.flags.contains(.ack) else { return }
        let shift = segment.flags.contains(.syn) ? 0 : trueScale
        let window = Int(segment.window) << Int(shift)
        let most = knowsScale || segment.flags.contains(.syn) ? window : Int(segment.window) << 14
        largestWindow = max(largestWindow, window)
        largestAtMost = max(largestAtMost, most)
        if let before = acknowledged {
            let step = Int(Int32(bitPattern: segment.acknowledgement &- before))
            if step > 0 {
                granted = max(granted - step, 0)
                grantedAtMost = max(grantedAtMost - step, 0)
                acknowledged = segment.acknowledgement
                granted = max(granted, window)
                grantedAtMost = max(grantedAtMost, most)
            } else {
                granted = max(granted, window + step)
                grantedAtMost = max(grantedAtMost, most + step)
            }
        } else {
            acknowledged = segment.acknowledgement
            (granted, grantedAtMost) = (window, max(grantedAtMost, most))
        }
    }
}
