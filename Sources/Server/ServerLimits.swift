// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What clients may take of a server. Whoever can connect may be hostile.
package struct ServerLimits: Sendable {
    /// Connections at once; others wait in the kernel.
    package var connections = 64
    /// Connections in a second, and as many at once after a pause. Each has one answer.
    package var connectionsPerSecond = 100
    /// From the connection to the end of the answer.
    package var time = Duration.seconds(10)
    /// Bytes that a client sends, less the body that it was granted.
    package var requestBytes = 8192
    /// Connections of one user at once who is not root; nil: as many as there may be at all.
    package var connectionsOfUser: Int?
    /// Answers at once that go on, each on a thread of its own.
    package var streams = 0
    /// How long a client may take nothing of an answer that goes on.
    package var stall = Duration.seconds(60)

    package init() {}

}

/// What clients did.
package struct ServerFigures: Sendable, Hashable {
    /// Connections that were taken.
    package var accepted: UInt64 = 0
    /// Requests that could not be read, or were too long.
    package var malformed: UInt64 = 0
    /// Connections that were ended because their time was over.
    package var late: UInt64 = 0
    /// Connections that were refused for who made them, or for how many they had.
    package var refused: UInt64 = 0
    /// Connections now.
    package var open = 0
}

extension TimeAmount {
    init(_ time: Duration) {
        self = .nanoseconds(time.components.seconds * 1_000_000_000 + time.components.attoseconds / 1_000_000_000)
    }
}
