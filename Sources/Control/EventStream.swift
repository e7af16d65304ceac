// SPDX-License-Identifier: Apache-2.0
import Datapath
import Network
import Wire

/// Which events are asked for. Others cost the kernel nothing.
package struct EventQuestion: Sendable, Hashable {
    /// Entries, `entry/device`s or devices; empty: all ports.
    package var ports: [String]
    /// Empty: all reasons.
    package var reasons: [Reason]
    /// Names of rules; empty: whatever decides.
    package var rules: [String]
    /// Only packets from or to an address of this prefix.
    package var host: Prefix?
    /// Services as a policy writes them, or by their names; empty: all packets.
    package var services: [String]
    /// Also logged accepts.
    package var accepts: Bool
    /// The stream ends after this many events; nil: it does not end by itself.
    package var count: Int?

    package init(
        ports: [String] = [], reasons: [Reason] = [], rules: [String] = [], host: Prefix? = nil,
        services: [String] = [], accepts: Bool = false, count: Int? = nil
    ) {
        self.ports = ports
        self.reasons = reasons
        self.rules = rules
        self.host = host
        self.services = services
        self.accepts = accepts
        self.count = count
    }

    /// - Parameter names: What services are called.
    func filter(_ names: ServiceNames) throws -> EventFilter {
        EventFilter(
            ports: ports.isEmpty ? nil : Set(ports), reasons: reasons.isEmpty ? nil : Set(reasons),
            rules: rules.isEmpty ? nil : Set(rules), host: host,
            services: services.isEmpty ? nil : try names.services(services), accepts: accepts)
    }
}

/// A live stream of events. It holds one of the instance's few places for readers as long as it lives.
package final class EventStream {
    private let reader: EventReader
    private var left: Int
    private var looking: Ticker?

    /// Seconds between two looks.
    private static let interval: Int32 = 5

    /// - Parameter look: Called at once, and then every few seconds on a thread of its own, while the stream lives.
    init(_ reader: EventReader, atMost count: Int?, looking look: (@Sendable () -> Void)?) throws {
        self.reader = reader
        left = count ?? .max
        guard let look else { return }
        look()
        looking = try Ticker(every: EventStream.interval, look)
    }

    deinit { looking.take()?.stop() }

    /// Hands over events in the order in which they come, until `isEnded`, or until as many have come as were asked
    /// for. Events that are there at the end are still handed over. Blocks the calling thread.
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
