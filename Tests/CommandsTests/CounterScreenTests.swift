// SPDX-License-Identifier: Apache-2.0
import Policy
import Testing
import Wire

@testable import Datapath
@testable import Rendering

/// Counters as they are watched, from readings that are made up.
@Suite struct CounterScreenTests {
    private static func port(_ number: Int, _ direction: Direction, accepted: UInt64, dropped: UInt64)
        -> Counters.PortCount
    {
        Counters.PortCount(
            port: Port(name: "guests/tap\(number)", interface: "tap\(number)", protects: .workload),
            direction: direction, accepted: Count(packets: accepted, bytes: accepted * 1000),
            dropped: Count(packets: dropped, bytes: dropped * 100),
            drops: dropped == 0
                ? [] : [.init(reason: .rule, packets: 1), .init(reason: .default, packets: dropped - 1)],
            accepts: [])
    }

    /// Port `n` accepts `n` packets each second and drops two.
    private static func reading(_ second: UInt64, ports: Int = 2, rules: Int = 2) -> Counters {
        Counters(
            // The time zone of who runs the test does not change seconds.
            time: 1_767_323_045_000_000_000 + second * 1_000_000_000, generation: 3,
            ports: (0..<ports).map {
                port($0, .in, accepted: 1000 + UInt64($0) * second, dropped: 10 + 2 * second)
            }, removed: (Count(), Count()),
            rules: (0..<rules).map {
                .init(name: "rule-\($0)", count: Count(packets: UInt64($0) * second * 1500, bytes: 1_000_000 * second))
            },
            events: .init(
                emitted: 1, suppressed: 2, lost: 3, acceptsEmitted: 0, acceptsSuppressed: 0, acceptsLost: 0, unjudged: 0
            ), flows: .init(used: 1, capacity: 2, opened: 3, refused: 4))
    }

    /// The second page, without the time of day, which depends on the time zone.
    private func page(_ size: (Int, Int)?, ports: Int = 2, rules: Int = 2, seconds: UInt64 = 2) -> [String] {
        var screen = CounterScreen()
        _ = screen.lines(Self.reading(0, ports: ports, rules: rules), fitting: size)
        let lines = screen.lines(Self.reading(seconds, ports: ports, rules: rules), fitting: size).map(\.text)
        return [String(lines[0].dropFirst(8))] + lines.dropFirst()
    }

    @Test func withRoomThereIsAll() {
        let expected = [
            "  generation 3",
            "PORT         DEVICE  DIR  ACCEPTED  PACKETS/S  BYTES/S  DROPPED  DROPS/S  REASONS",
            "guests/tap0  tap0    in       1000          0        0       14        2  1 by rule, 13 by default",
            "guests/tap1  tap1    in       1002          1       1k       14        2  1 by rule, 13 by default",
            "",
            "RULE    PACKETS  PACKETS/S    BYTES  BYTES/S",
            "rule-0        0          0  2000000       1M",
            "rule-1     3000       1.5k  2000000       1M",
            "",
            "events of drops: 1 emitted, 2 suppressed, 3 lost",
            "flows: 1 of 2 places used, 3 opened, 4 refused",
        ]
        #expect(page(nil) == expected)
        #expect(page((200, 50)) == expected)
    }

    @Test func aNarrowTerminalLeavesColumnsOut() {
        let lines = page((80, 24))
        #expect(lines[1] == "PORT         DIR  PACKETS/S  DROPPED  DROPS/S  REASONS")
        #expect(lines[2] == "guests/tap0  in           0       14        2  1 by rule, 13 by default")
        for width in 20...120 { #expect(page((width, 24)).allSatisfy { $0.count <= width }, "\(width)") }
        #expect(page((30, 24))[2].hasSuffix("\u{2026}"))
    }

    @Test(arguments: 3...60) func noPageIsHigherThanTheTerminal(height: Int) {
        for (ports, rules) in [(1, 1), (40, 1), (1, 40), (40, 40), (0, 0)] {
            let lines = page((80, height), ports: ports, rules: rules)
            #expect(lines.count <= max(height, 6), "\(ports) ports, \(rules) rules")
        }
    }

    @Test func theBusiestAreShown() {
        let lines = page((120, 24), ports: 40, rules: 3)
        let shown = lines.filter { $0.hasPrefix("guests/") }.map { $0.prefix { $0 != " " } }
        #expect(shown == shown.sorted { Int($0.dropFirst(10))! < Int($1.dropFirst(10))! })
        #expect(shown.last == "guests/tap39")
        #expect(lines.contains("... and \(40 - shown.count) more ports and directions that do less"))
        #expect(lines.count { $0.hasPrefix("rule-") } == 3)
        #expect(lines.count == 24)
    }

    /// After a new policy, a port or rule that was not there before has no rate, and a counter that was set back none
    /// below zero.
    @Test func whatIsNewHasNoRate() {
        var screen = CounterScreen()
        _ = screen.lines(Self.reading(5, ports: 1, rules: 2), fitting: nil)
        let later = Self.reading(6, ports: 2, rules: 2)
        let lines = screen.lines(later, fitting: nil).map(\.text)
        #expect(lines[3].contains("tap1    in       1006          -        -       22        -  "))
        let earlier = Self.reading(5, ports: 1, rules: 2)
        #expect(screen.lines(earlier, fitting: nil).map(\.text)[2].contains("          -        -"))
        var reset = Self.reading(7, ports: 1, rules: 2)
        reset.ports[0].accepted = Count()
        #expect(screen.lines(reset, fitting: nil).map(\.text)[2].contains("0          0        0       24        2  "))
    }

    @Test(
        arguments: [
            (0, "0"), (1, "0.5"), (2, "1"), (5, "2.5"), (19, "9.5"), (20, "10"), (1997, "999"), (1999, "1k"),
            (3000, "1.5k"),
            (24_691, "12k"), (2_000_000, "1M"), (2_469_134_000_000, "1.2T"),
        ] as [(UInt64, String)])
    func ratesAreShort(packets: UInt64, words: String) {
        var screen = CounterScreen()
        var reading = Self.reading(0, ports: 1, rules: 0)
        reading.ports[0].accepted.packets = 0
        _ = screen.lines(reading, fitting: nil)
        reading.time += 2_000_000_000
        reading.ports[0].accepted.packets = packets
        let cells = screen.lines(reading, fitting: nil)[2].text.split(separator: " ")
        #expect(cells[4] == words)
    }
}
