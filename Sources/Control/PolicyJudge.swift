// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Network
import Policy
import Simulation
import Wire

/// Asks the real programs, which are not attached, for the verdict on a frame at a port: by a policy's file, or by the
/// policy in force.
package struct PolicyJudge {
    /// The policy's ports, with what is bound to them.
    package let route: Route
    /// nil for a policy that is not in force.
    package let generation: UInt32?
    /// The problems of the policy's file; none for the policy in force.
    package let diagnostics: [Diagnostic]
    /// The policy's named services.
    package let services: [String: [Service]]
    private let records: [Int]
    /// The host's own addresses in each port's network namespace.
    private let own: [Set<Prefix>]
    /// For each port, whether it is in quarantine; false if the policy is not in force.
    private let areQuarantined: [Bool]
    private let simulator: Simulator
    /// Whether the packets that it is asked about are this host's own, as they are now.
    let isOfThisHost: Bool

    /// - Parameters:
    ///   - policy: a policy's file; nil: the policy in force. Its dynamic groups have the members of those in force.
    ///   - keepsFlows: whether a frame's flow is kept for the next frame.
    package init(policy: String?, instance: Instance, keepsFlows: Bool = false) throws {
        if let policy {
            let source = try PolicySource(path: policy, for: instance, requiresDevices: false)
            try self.init(PreparedPolicy(source), instance, isOfThisHost: false)
        } else {
            try self.init(inForceOf: instance)
        }
        simulator.keepsFlows = keepsFlows
    }

    /// - Parameter isOfThisHost: Whether it is about to be put in force here.
    init(_ prepared: PreparedPolicy, _ instance: Instance, isOfThisHost: Bool) throws {
        self.isOfThisHost = isOfThisHost
        let source = prepared.source
        let (ruleset, image) = (prepared.ruleset, prepared.image)
        let bindings = source.loaded.bindings
        generation = nil
        diagnostics = source.loaded.diagnostics
        services = ruleset.services
        route = Route(
            stops: bindings.map { Route.Stop($0.port, entry: ruleset.entries[$0.entry], device: $0.interface) },
            local: source.host.addresses)
        records = bindings.map {
            image.portRecord(entry: $0.entry, protects: $0.port.protects, unknownToDrop: $0.isUnknownToDrop)
        }
        own = bindings.map { source.host.ownAddresses(in: $0.port.namespace) }
        areQuarantined = bindings.map { _ in false }
        simulator = try Simulator(image: image, membersOf: instance)
    }

    private init(inForceOf instance: Instance) throws {
        isOfThisHost = true
        simulator = try Simulator(policyInForceOf: instance)
        let status = try instance.status()
        let source = try PolicySource(inForce: instance.policyInForce(), of: instance)
        generation = status.generation
        diagnostics = []
        services = source.loaded.ruleset?.services ?? [:]
        let entries = Dictionary((source.loaded.ruleset?.entries ?? []).map { ($0.name, $0) }) { first, _ in first }
        route = Route(
            stops: status.ports.map(\.port).map {
                Route.Stop($0, entry: entries[$0.entry], device: source.host.device($0.interface, in: $0.namespace))
            }, local: source.host.addresses)
        records = status.ports.map(\.record)
        own = status.ports.map { source.host.ownAddresses(in: $0.port.namespace) }
        areQuarantined = status.ports.map { $0.state == .quarantined }
    }

    package var ports: [Port] { route.stops.map(\.port) }

    /// The port that `word` means; the first of several that are judged alike.
    package func port(_ word: String) throws(Refusal) -> Int {
        let found = try ports.required(word)
        guard Set(found.map { [records[$0], areQuarantined[$0] ? 1 : 0] }).count == 1 else {
            throw Refusal(
                "'\(word)' means several ports that are judged differently",
                advice: "name one of them: \(found.map { ports[$0].name }.joined(separator: ", "))")
        }
        return found[0]
    }

    /// The time for the programs, see ``Simulator/time``.
    package var time: UInt64 {
        get { simulator.time }
        nonmutating set { simulator.time = newValue }
    }

    /// Reads a frame as the programs do.
    ///
    /// - Parameter length: Bytes of the frame on the wire; `frame` may be cut.
    package func parse(_ frame: [UInt8], length: Int) throws -> Packet {
        try simulator.parse(frame: frame, originalLength: length)
    }

    /// Where a packet came from that the host sends at a port.
    package enum Origin: Sendable, Hashable {
        /// A device that is no port.
        case elsewhere
        /// The host itself.
        case host
        /// The port of this index.
        case port(Int)
    }

    /// A packet at a port.
    package struct Hop: Sendable {
        /// As it is there, from the destination MAC address on.
        package var frame: [UInt8]
        package var port: Int
        package var direction: Direction
        package var origin: Origin
    }

    private func origin(_ origin: Origin) -> Simulator.Origin {
        switch origin {
        case .elsewhere: .elsewhere
        case .host: .host
        case .port(let port): .port(record: records[port])
        }
    }

    /// The origin that a word means: `host`, or a port.
    package func origin(named word: String) throws(Refusal) -> Origin { word == "host" ? .host : .port(try port(word)) }

    /// What becomes of one packet at port after port: what it opens at one is there at the next. Nothing is kept.
    package func judge(_ hops: [Hop]) throws -> [Simulator.Outcome] {
        let keptFlows = simulator.keepsFlows
        defer { simulator.keepsFlows = keptFlows }
        simulator.keepsFlows = true
        try simulator.forgetTraffic()
        let outcomes = try hops.map { hop in
            try simulator.setOwn(own[hop.port])
            return try simulator.judge(
                frame: hop.frame, portRecord: records[hop.port], device: device(of: hop.port),
                direction: hop.direction, isQuarantined: areQuarantined[hop.port], from: origin(hop.origin))
        }
        try simulator.forgetTraffic()
        return outcomes
    }

    /// Makes every port one that is filtered from now on.
    func attachAnew(_ adopting: Simulator.Adopting) { simulator.attachAnew(adopting) }

    /// Each port has a device of its own, as on a host, also where several are judged by one record.
    private func device(of port: Int) -> UInt16 { UInt16(1 + port % (Simulator.devices - 1)) }

    /// - Parameter length: bytes of the frame on the wire; `frame` may be cut.
    package func judge(
        _ frame: [UInt8], length: Int, at port: Int, _ direction: Direction, from origin: Origin = .elsewhere
    ) throws -> Simulator.Outcome {
        try simulator.setOwn(own[port])
        return try simulator.judge(
            frame: frame, originalLength: length, portRecord: records[port], direction: direction,
            isQuarantined: areQuarantined[port], from: self.origin(origin))
    }
}

extension HostInventory {
    /// Every address of the host itself, in the namespaces that the policy looks into.
    fileprivate var addresses: AddressSet {
        AddressSet(namespaces.values.flatMap { $0.interfaces.flatMap(\.addresses) })
    }

    fileprivate func device(_ name: String, in namespace: String?) -> HostInterface? {
        namespaces[namespace]?.interfaces.first { $0.name == name }
    }
}

extension Route.Stop {
    /// - Parameters:
    ///   - entry: nil if the policy no longer has an entry of that name.
    ///   - device: nil if it is missing.
    fileprivate init(_ port: Port, entry: PortEntry?, device: HostInterface?) {
        let own = port.protects == .host ? device : nil
        self.init(
            port: port, addresses: entry?.addresses ?? [], own: own?.addresses ?? [],
            macs: (entry?.claimedMACs ?? []) + [own?.mac].compactMap(\.self))
    }
}
