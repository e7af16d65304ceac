// SPDX-License-Identifier: Apache-2.0
import Compiler
import Host
import Policy
import Simulation
import Wire

/// What became of a packet on its way, or on each way that it may take.
package struct Explanation: Sendable {
    package enum Verdict: String, Sendable, Hashable {
        case accept, drop, reject
        /// The ways that it may take differ, or one of them cannot be told to its end.
        case unknown

        package init(_ action: Action) {
            self =
                switch action {
                case .accept: .accept
                case .drop: .drop
                case .reject: .reject
                case .log, .pass: .unknown
                }
        }
    }

    package struct Hop: Sendable, Hashable {
        package var port: String
        package var direction: Direction
        package var verdict: Action
        package var reason: Reason?
        /// The rule that decided, if one did.
        package var rule: ImageView.RuleRecord?
        /// Where in the policy the decision is written, if it is; column 0.
        package var source: SourceLocation?
        /// The rules that the packet met ahead of what decided, and that left it to later ones.
        package var tried: [TriedRule]

        package init(port: String, _ direction: Direction, _ outcome: Simulator.Outcome) {
            self.port = port
            self.direction = direction
            verdict = outcome.verdict
            reason = outcome.reason
            rule = outcome.decided
            source = outcome.source
            tried = outcome.tried
        }
    }

    /// One way, as it was judged.
    package struct JudgedWay: Sendable {
        package var hops: [Hop]
        /// How the kernel carries it; nil if the ports were named, or are not on this host.
        package var way: Way?

        package init(hops: [Hop], way: Way? = nil) {
            self.hops = hops
            self.way = way
        }

        /// That of the first port that does not let the packet pass; else whether the kernel carries it on.
        package var verdict: Verdict {
            if way?.isCut == true { return .unknown }
            if let hop = hops.first(where: { $0.verdict != .accept }) { return Verdict(hop.verdict) }
            switch way?.end {
            case nil, .delivered, .leaves, .passesBy: return .accept
            case .stopped: return .drop
            case .unknown: return .unknown
            }
        }
    }

    /// At least one.
    package var ways: [JudgedWay]
    /// What the devices on the ways are called.
    package var names = DeviceNaming()
    /// The generation of the policy in force; nil if another policy was asked.
    package var generation: UInt32?

    /// What else on the ways can drop the packet; nil if nobody asked.
    package var obstacles: [Obstacle]?
    /// What could not be looked at for them.
    package var unseen: [UnseenFilter] = []

    package init(ways: [JudgedWay], names: DeviceNaming = DeviceNaming(), generation: UInt32?) {
        self.ways = ways
        self.names = names
        self.generation = generation
    }

    /// That of every way; `unknown` where they differ.
    package var verdict: Verdict {
        let verdicts = Set(ways.map(\.verdict))
        return verdicts.count == 1 ? verdicts.first ?? .unknown : .unknown
    }

    /// Those of all ways, each once.
    package var hops: [Hop] {
        var seen: Set<Hop> = []
        return ways.flatMap(\.hops).filter { seen.insert($0).inserted }
    }
}

/// What devices and namespaces are called.
package struct DeviceNaming: Sendable {
    package var devices: [DeviceID: String] = [:]
    /// Those that have a name.
    package var namespaces: [UInt64: String] = [:]

    package init() {}

    /// - Parameter ways: Those that the devices are on.
    init(_ ways: [Way], _ network: any NetworkView) {
        for namespace in Set(ways.flatMap(\.namespaces)) {
            guard let tables = network.tables(namespace) else { continue }
            namespaces[namespace] = tables.name
            for device in tables.devices.values { devices[device.id] = device.name }
        }
    }
}
