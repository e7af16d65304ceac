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
    /// Bytes that a client sends.
    package var requestBytes = 8192

    package init() {}

    var timeAmount: TimeAmount {
        .nanoseconds(time.components.seconds * 1_000_000_000 + time.components.attoseconds / 1_000_000_000)
    }
}

/// What clients did.
package struct ServerFigures: Sendable, Hashable {
    /// Connections that were taken.
    package var accepted: UInt64 = 0
    /// Requests that could not be read, or were too long.
    package var malformed: UInt64 = 0
    /// Connections that were ended because their time was over.
    package var late: UInt64 = 0
    /// Connections now.
    package var open = 0
}
