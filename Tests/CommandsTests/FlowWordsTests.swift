// SPDX-License-Identifier: Apache-2.0
import Network
import Testing
import Wire

@testable import Datapath
@testable import Rendering

@Suite struct FlowWordsTests {
    private static func flow(
        _ port: String, _ number: UInt8, _ source: String, _ sport: UInt16, _ destination: String, _ dport: UInt16,
        _ state: FlowState = .established, idle: Int = 0, rule: String? = nil, direction: Direction = .in
    ) throws -> ListedFlow {
        ListedFlow(
            port: port, rule: rule,
            flow: Flow(
                scope: 1, ipProtocol: number, source: try #require(IPAddress(source)),
                destination: try #require(IPAddress(destination)), sourcePort: sport, destinationPort: dport, vlan: 0,
                direction: direction, state: state, isAdopted: false, idleSeconds: idle, timeoutSeconds: 7500,
                counter: 0))
    }

    /// Each cell stands under its heading, whatever the widths.
    @Test func headerAndRowsAgree() throws {
        let flows = [
            try Self.flow("db-1", 6, "198.51.100.10", 40000, "198.51.100.20", 5432, idle: 3, rule: "db-from-web"),
            try Self.flow("guests/tap9", 17, "2001:db8::1", 40000, "2001:db8::2", 53, .answered, idle: 119),
            try Self.flow("uplink", 1, "192.0.2.1", 7, "192.0.2.2", 7, .opening, rule: "ping", direction: .out),
        ]
        #expect(
            flows.words().text == """
                PORT         DIR  PROTOCOL  FROM                 TO                  STATE        IDLE  RULE
                db-1         in   tcp       198.51.100.10:40000  198.51.100.20:5432  established    3s  db-from-web
                guests/tap9  in   udp       [2001:db8::1]:40000  [2001:db8::2]:53    answered     119s  default
                uplink       out  icmp      192.0.2.1            192.0.2.2           opening        0s  ping

                """)
    }

    @Test func aNarrowTerminalLeavesColumnsOut() throws {
        let flows = [try Self.flow("db-1", 6, "198.51.100.10", 40000, "198.51.100.20", 5432, rule: "db-from-web")]
        #expect(
            flows.words(fitting: 90).text == """
                PORT  DIR  PROTOCOL  FROM                 TO                  STATE        RULE
                db-1  in   tcp       198.51.100.10:40000  198.51.100.20:5432  established  db-from-web

                """)
        #expect(
            flows.words(fitting: 70).text == """
                PORT  FROM                 TO                  STATE        RULE
                db-1  198.51.100.10:40000  198.51.100.20:5432  established  db-from-w\u{2026}

                """)
    }

    @Test func flowsAreSorted() throws {
        let sorted = [
            try Self.flow("a", 6, "192.0.2.9", 1, "192.0.2.1", 1),
            try Self.flow("a", 6, "192.0.2.10", 2, "192.0.2.1", 80),
            try Self.flow("a", 6, "192.0.2.10", 1, "192.0.2.1", 443),
            try Self.flow("a", 17, "192.0.2.10", 1, "192.0.2.1", 80),
            try Self.flow("a", 6, "192.0.2.10", 1, "192.0.2.2", 80),
            try Self.flow("a", 6, "2001:db8::1", 1, "2001:db8::2", 80),
            try Self.flow("b", 6, "192.0.2.1", 1, "192.0.2.9", 80),
        ]
        for _ in 0..<20 { #expect(sorted.shuffled().sorted() == sorted) }
    }
}
