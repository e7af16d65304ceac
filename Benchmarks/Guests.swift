// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport

/// What a guest's connections lose to the filter at its port: bulk TCP, requests and answers, short connections.
struct Guests: Section {
    static let name = "guests"
    private static let title = "A guest's TCP through its port, in both directions"
    /// Connections of a round that carry bulk, one after the other.
    private static let streams = 8

    let settings: Settings
    let lab: Lab

    /// One filter's figures, by round.
    private struct Outcome {
        var name: String
        var network: GuestNetwork
        var bits: [Double] = []
        var requests: [Double] = []
        var median: [Double] = []
        var p99: [Double] = []
        var connections: [Double] = []
    }

    func run(_ report: inout Report) throws {
        settings.say("guests: bulk TCP, requests and answers, connections")
        var outcomes = [
            Outcome(name: "no filter", network: try GuestNetwork(lab, "none")),
            Outcome(name: "bulkhead", network: try GuestNetwork(lab, "own")),
            Outcome(name: "nft with conntrack, in the guest", network: try GuestNetwork(lab, "nft")),
        ]
        if let bridged = try bridged(&report) { outcomes.append(bridged) }
        _ = try outcomes[1].network.enforce(outcomes[1].network.policy(1000), with: settings.bulkhead, of: lab)
        try outcomes[2].network.guest.run("nft", "-f", try lab.file("guest.nft", Guests.conntrack))
        for _ in 0..<settings.rounds {
            for index in outcomes.indices { try measure(&outcomes[index]) }
        }
        report.rows += rows(outcomes)
        conclude(outcomes[1], beside: outcomes[0], &report)
    }

    /// nft on the bridge itself; nil where the kernel has no connection tracking there.
    private func bridged(_ report: inout Report) throws -> Outcome? {
        let name = "nft with conntrack, on the bridge"
        let network = try GuestNetwork(lab, "bridge")
        do {
            try network.host.run("nft", "-f", try lab.file("bridge.nft", Guests.bridgeConntrack))
        } catch {
            report.rows.append(
                Report.Row(
                    section: Guests.title, subject: "requests", filter: name, hook: "", unit: "thousand/s",
                    note: "not measured: " + "\(error)".split(separator: "\n").prefix(1).joined()))
            return nil
        }
        return Outcome(name: name, network: network)
    }

    private static let bridgeConntrack = """
        table bridge bench {
          chain forward {
            type filter hook forward priority 0; policy drop;
            ct state established,related accept
            ether type arp accept
            ip daddr \(GuestNetwork.guestAddress) tcp dport 5201-5202 ct state new accept
          }
        }

        """

    /// Stateful, in the guest itself: not every kernel has connection tracking on bridges.
    private static let conntrack = """
        table inet bench {
          chain in {
            type filter hook input priority 0; policy drop;
            ct state established,related accept
            ip daddr \(GuestNetwork.guestAddress) tcp dport 5201-5202 accept
          }
          chain out { type filter hook output priority 0; policy accept; ct state established accept; }
        }

        """

    private func measure(_ outcome: inout Outcome) throws {
        try Interruption.check()
        let network = outcome.network
        let seconds = settings.stretch
        // Connections differ among themselves by more than filters do.
        let streams = try (0..<Guests.streams).map { _ in
            try TCPConnection(from: network.client, to: network.streams).stream(seconds: seconds / 4)
        }
        outcome.bits.append(streams.reduce(0, +) / Double(Guests.streams))
        let answers = try TCPConnection(from: network.client, to: network.answers).request(seconds: seconds)
        outcome.requests.append(Double(answers.count) / seconds)
        outcome.median.append(answers.percentile(50) / 1000)
        outcome.p99.append(answers.percentile(99) / 1000)
        outcome.connections.append(try network.answers.openAndClose(from: network.client, seconds: seconds))
    }

    private func rows(_ outcomes: [Outcome]) -> [Report.Row] {
        let none = outcomes[0]
        func row(_ subject: String, _ unit: String, _ scale: Double, _ key: KeyPath<Outcome, [Double]>) -> [Report.Row]
        {
            outcomes.map { outcome in
                Report.Row(
                    section: Guests.title, subject: subject, rules: outcome.name == "bulkhead" ? 1000 : nil,
                    filter: outcome.name, hook: outcome.name == "bulkhead" ? "tc" : "",
                    value: outcome[keyPath: key].median / scale, unit: unit,
                    ratio: zip(outcome[keyPath: key], none[keyPath: key]).map { $0 / $1 }.median, against: "no filter")
            }
        }
        return row("bulk TCP", "Gb/s", 1e9, \.bits) + row("requests", "thousand/s", 1000, \.requests)
            + row("latency, median", "us", 1, \.median) + row("latency, p99", "us", 1, \.p99)
            + row("connections", "thousand/s", 1000, \.connections)
    }

    private func conclude(_ own: Outcome, beside none: Outcome, _ report: inout Report) {
        func ratio(_ key: KeyPath<Outcome, [Double]>) -> Double {
            zip(own[keyPath: key], none[keyPath: key]).map { $0 / $1 }.median
        }
        let (bulk, requests, connections) = (ratio(\.bits), ratio(\.requests), ratio(\.connections))
        let added = zip(own.p99, none.p99).map { $0 - $1 }.median
        let words = [bulk, requests, connections].map { Report.number($0) }.joined(separator: ", ")
        report.conclude(
            5, measured: "\(words); p99 \(Report.number(added)) us more",
            held: min(bulk, requests, connections) >= 0.97 && added <= 10)
    }
}
