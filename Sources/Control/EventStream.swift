// SPDX-License-Identifier: Apache-2.0
import Datapath
import Network
import Wire

/// Which events are asked for. What is left out costs the kernel nothing.
package struct EventQuestion: Sendable, Hashable {
    /// Entries, `entry/device`s or devices; empty: all ports.
    package var ports: [String]
    /// Empty: all reasons.
    package var reasons: [Reason]
    package var rule: String?
    /// Only packets from or to this address.
    package var host: IPAddress?
    /// Also logged accepts.
    package var accepts: Bool
    /// After so many the stream ends; nil: it does not end by itself.
    package var count: Int?

    package init(
        ports: [String] = [], reasons: [Reason] = [], rule: String? = nil, host: IPAddress? = nil,
        accepts: Bool = false, count: Int? = nil
    ) {
        self.ports = ports
        self.reasons = reasons
        self.rule = rule
        self.host = host
        self.accepts = accepts
        self.count = count
    }

    var filter: EventFilter {
        EventFilter(
            ports: ports.isEmpty ? nil : Set(ports), reasons: reasons.isEmpty ? nil : Set(reasons), rule: rule,
            host: host, accepts: accepts)
    }
}

/// A live stream of events. It holds one of the instance's few places for readers for as long as it lives.
package final class EventStream {
    private let reader: EventReader
    private var left: Int

    init(_ reader: EventReader, atMost count: Int?) {
        self.reader = reader
        left = count ?? .max
    }

    /// Hands over events in the order in which they come, until `isEnded`, or as many have come as were asked for.
    /// Those that are there when it is ended are still handed over. Blocks the calling thread.
    package func read(until isEnded: @autoclosure () -> Bool, _ body: (Event) throws -> Void) throws {
        var isLast = false
        while left > 0, !isLast {
            isLast = isEnded()
            for event in try reader.nextBatch().prefix(left) {
                try body(event)
                left -= 1
            }
        }
    }
}
