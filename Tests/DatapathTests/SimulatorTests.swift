// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

@testable import Datapath

@Suite struct SimulatorTests {
    /// Port record 1: the workload side of the first entry.
    private static let record = 1

    private static func policy() -> TestPolicy {
        var policy = TestPolicy()
        policy.port("guest", interface: "tap0")
        policy.rule(
            "ssh", [.ports(protocol: 6, destination: [22...22], source: [0...65535])], .accept)
        return policy
    }

    @Test(
        arguments: [
            ("192.0.2.1", "192.0.2.2", Direction.in, UInt16(22), Action.accept, Reason.rule),
            ("192.0.2.1", "192.0.2.2", .in, 23, .drop, .default),
            ("192.0.2.1", "192.0.2.2", .out, 23, .accept, .default),
            ("2001:db8::1", "2001:db8::2", .in, 22, .accept, .rule),
            ("2001:db8::1", "2001:db8::2", .in, 23, .drop, .default),
            ("2001:db8::1", "2001:db8::2", .out, 23, .accept, .default),
        ])
    func judgesAsTheRulesSay(
        from: String, to: String, direction: Direction, port: UInt16, verdict: Action, reason: Reason
    ) throws {
        let policy = SimulatorTests.policy()
        let simulator = try Simulator(image: try policy.compile())
        let frame = try tcp(from, to, port)
        let outcome = try simulator.judge(frame: frame, portRecord: SimulatorTests.record, direction: direction)
        #expect(outcome.verdict == verdict)
        #expect(outcome.reason == reason)
        #expect(outcome.direction == direction)
        #expect(outcome.ruleName == (reason == .rule ? "ssh" : nil))
        #expect(outcome.source?.line == (reason == .rule ? 20 : 2))
        #expect(outcome.packet.destinationPort == port)
        #expect(outcome.packet.length == frame.count)
    }

    @Test func judgesCutAndTinyFramesByTheirTrueLength() throws {
        let simulator = try Simulator(image: try SimulatorTests.policy().compile())
        let frame = try tcp("192.0.2.1", "192.0.2.2", 22)
        for length in 0..<frame.count {
            let outcome = try simulator.judge(
                frame: Array(frame.prefix(length)), portRecord: SimulatorTests.record, direction: .in)
            #expect(outcome.verdict == .drop, "\(length) bytes")
            #expect(outcome.packet.length == length)
        }
        let long = frame + [UInt8](repeating: 0, count: 20_000)
        let outcome = try simulator.judge(frame: long, portRecord: SimulatorTests.record, direction: .in)
        #expect(outcome.verdict == .accept)
        #expect(outcome.packet.length == long.count)
    }

    private func tcp(_ from: String, _ to: String, _ port: UInt16) throws -> [UInt8] {
        let source = try #require(IPAddress(from))
        let destination = try #require(IPAddress(to))
        return Frame(Datagram(source, destination, .tcp(40000, port))).bytes
    }

    @Test func xdpDropsOnlyWhatIsSure() throws {
        let simulator = try Simulator(image: try SimulatorTests.policy().compile())
        let frame = try tcp("192.0.2.1", "192.0.2.2", 23)
        let malformed = Array(frame.prefix(20))
        #expect(try simulator.judge(frame: malformed, portRecord: 1, hook: .xdp).verdict == .drop)
        let open = try simulator.judge(frame: try tcp("192.0.2.1", "192.0.2.2", 22), portRecord: 1, hook: .xdp)
        #expect(open.verdict == .accept)
    }

    @Test func aHundredThousandJudgementsTakeSeconds() throws {
        let simulator = try Simulator(image: try SimulatorTests.policy().compile())
        let frame = try tcp("192.0.2.1", "192.0.2.2", 22)
        let clock = ContinuousClock()
        let start = clock.now
        for _ in 0..<20_000 {
            let outcome = try simulator.judge(frame: frame, portRecord: SimulatorTests.record, direction: .in)
            try #require(outcome.verdict == .accept)
        }
        let perSecond = 20_000 / ((clock.now - start) / .seconds(1))
        #expect(perSecond > 500, "\(perSecond) a second")
        print("simulator: \(Int(perSecond)) judgements a second")
    }
}
