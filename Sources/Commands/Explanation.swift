import Compiler
import Datapath
import Network
import Policy
import Wire

/// What two words on the command line mean.
struct ExplainedEnds: Sendable {
    var source: Route.End
    var destination: Route.End

    var family: AddressFamily { source.address.family }

    /// Ends of one IP version, of one that can carry the service where there is a choice.
    init(from: String, to: String, service: ConcreteService, _ names: [PortNames], _ route: Route) throws(Refusal) {
        let sources = try Self.candidates(from, names, route)
        let destinations = try Self.candidates(to, names, route)
        let pairs = sources.flatMap { source in
            destinations.filter { $0.address.family == source.address.family }.map { (source, $0) }
        }
        guard let pair = pairs.first(where: { service.probe($0.0.address.family) != nil }) ?? pairs.first else {
            throw Refusal(
                "\(from) and \(to) have no IP version in common", advice: "give two IPv4 or two IPv6 addresses")
        }
        (source, destination) = pair
    }

    /// An address itself; of a port the first address of each bound prefix, or its device's own.
    private static func candidates(
        _ word: String, _ names: [PortNames], _ route: Route
    ) throws(Refusal) -> [Route.End] {
        if let address = IPAddress(word) { return [Route.End(address: address)] }
        let ports = try PortNames.required(word, in: names)
        let bound = ports.flatMap { route.ports[$0].addresses }
        let prefixes = bound.isEmpty ? ports.flatMap { route.ports[$0].own } : bound
        guard !prefixes.isEmpty else {
            throw Refusal(
                "no address is bound to port '\(word)'",
                advice: "give an address instead, with --at \(word) --direction in|out")
        }
        return prefixes.map { prefix in
            bound.isEmpty
                ? Route.End(address: prefix.address, hostPorts: ports)
                : Route.End(address: prefix.address, ports: ports)
        }
    }
}

/// What became of a packet on its way.
struct Explanation: Sendable {
    struct Hop: Sendable {
        var port: String
        var direction: Direction
        var verdict: Action
        var reason: Reason?
        var rule: String?
        /// `file:line` of what decided, where that is written in the policy.
        var source: String?
        var note: RuleNotes.Note?
        /// What the rule asks for besides the packet, if it is more than that.
        var isLimited: Bool
        var asksMembers: Bool
        var expires: Timestamp?

        init(port: String, _ direction: Direction, _ outcome: Simulator.Outcome, _ note: RuleNotes.Note?) {
            self.port = port
            self.direction = direction
            verdict = outcome.verdict
            reason = outcome.reason
            rule = outcome.ruleName
            source = outcome.source.map { "\($0.file):\($0.line)" }
            self.note = note
            isLimited = outcome.isLimited
            asksMembers = outcome.asksMembers
            expires = outcome.expires
        }

        var conditions: String {
            let words =
                (isLimited ? ["within its limit"] : []) + (asksMembers ? ["by its dynamic groups now"] : [])
                + (expires.map { ["until \($0)"] } ?? [])
            return words.isEmpty ? "" : "  (\(words.joined(separator: ", ")))"
        }
    }

    var hops: [Hop]
    var generation: UInt32?

    /// That of the first port that does not let the packet pass, else `accept`.
    var verdict: Action { hops.first { $0.verdict != .accept }?.verdict ?? .accept }

    var json: JSON {
        [
            "verdict": .string(verdict.rawValue),
            "hops": .array(
                hops.map { hop in
                    [
                        "port": .string(hop.port), "direction": .string(hop.direction.rawValue),
                        "verdict": .string(hop.verdict.rawValue), "reason": JSON(hop.reason?.rawValue),
                        "rule": JSON(hop.rule), "source": JSON(hop.source), "comment": JSON(hop.note?.comment),
                        "meta": hop.note?.metaJSON ?? nil, "limited": .bool(hop.isLimited),
                        "dynamic": .bool(hop.asksMembers),
                        "expires": JSON(hop.expires?.utc),
                    ]
                }),
            "generation": JSON(optional: generation),
        ]
    }

    func words(_ ends: ExplainedEnds, _ palette: Palette) -> Words {
        var text: Words = "\(ends.source.address) > \(ends.destination.address): \(paint(verdict, palette))\n"
        for hop in hops {
            let cause = hop.rule.map { "rule \($0)" } ?? hop.reason?.rawValue ?? "-"
            text += "  \(hop.direction.rawValue) at \(hop.port): \(paint(hop.verdict, palette))  \(cause)"
            text += "\(hop.conditions)"
            text += hop.source.map { "  \($0)" } ?? ""
            text += hop.note.map { "  # \($0.words)" } ?? ""
            text += "\n"
        }
        return text
    }

    private func paint(_ verdict: Action, _ palette: Palette) -> Words {
        verdict == .accept ? palette.green("\(verdict.rawValue)") : palette.red("\(verdict.rawValue)")
    }
}
