// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Datapath
import Libbpf
import Network
import Policy
import TestSupport
import Testing
import Wire

@testable import Simulation

extension PacketTables {
    /// What a shadow says of packets: each is told if the two policies differ, with the rules of both.
    @Suite struct ShadowTests {
        private typealias Talk = FlowTests.Talk

        private struct Table {
            let simulator: Simulator
            let shadow: SimulatedShadow
            let records: [String: Int]

            /// What becomes of a frame, and what the shadow says: `accept rule / drop default`; `-`: it says nothing.
            func judge(_ frame: Frame, at port: String = "web", _ direction: Direction = .in) throws -> String {
                var found = ""
                let answer = try shadow.answer {
                    let record = try #require(records[port])
                    let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, direction: direction)
                    found = "\(outcome.verdict.rawValue) \(outcome.reason?.rawValue ?? "-")"
                }
                guard let answer else { return "\(found) / -" }
                let may = answer.isDoubtful ? "may " : ""
                return "\(found) / \(may)\(answer.verdict.rawValue) \(answer.reason?.rawValue ?? "-")"
            }
        }

        private static func use(
            _ policy: String, shadow other: String, adopts: Bool = false, _ body: (Table) throws -> Void
        ) throws {
            var records: [String: Int] = [:]
            let image = try FlowScript.compile(policy, &records)
            var others: [String: Int] = [:]
            let asked = try FlowScript.compile(other, &others)
            let simulator = try Simulator(image: image, answerBlocks: Front.blocks)
            simulator.adopts = adopts
            let shadow = try SimulatedShadow(simulator, image: asked)
            for hook in HookName.allCases { try shadow.stand(behind: hook) }
            shadow.isOn = true
            try body(Table(simulator: simulator, shadow: shadow, records: records))
        }

        private static func limited(_ rate: String) -> String {
            FlowScript.policy(
                "  - { name: some, service: udp/53, direction: in, action: accept, limit: { rate: \(rate), burst: 1 } }"
            )
        }

        private func query(_ port: UInt16) -> Frame { Talk(family: .v4).there(.udp(port, 53, payload: [1])) }

        /// A flow is judged by what opened it, whoever sends its next packet, also where the front answers.
        @Test(arguments: AddressFamily.allCases) func aFlowIsJudgedByWhatOpenedIt(family: AddressFamily) throws {
            let talk = Talk(family: family)
            try Self.use(FlowScript.closed, shadow: FlowScript.shut) { table throws in
                let (there, back) = (talk.there(.udp(1000, 53, payload: [1])), talk.back(.udp(53, 1000, payload: [1])))
                #expect(try table.judge(there) == "accept rule / drop rule")
                for _ in 0..<5 {
                    #expect(try table.judge(back, .out) == "accept established / drop policy-changed")
                    #expect(try table.judge(there) == "accept established / drop policy-changed")
                }
                #expect(try table.simulator.flows().count == 1)
            }
            try Self.use(FlowScript.closed, shadow: FlowScript.renamed) { table throws in
                #expect(try table.judge(talk.there(.udp(1000, 53, payload: [1]))) == "accept rule / accept rule")
                for _ in 0..<5 {
                    let back = talk.back(.udp(53, 1000, payload: [1]))
                    #expect(try table.judge(back, .out) == "accept established / accept established")
                }
                // The one accepts what the other drops; and the other opens no flow for it.
                #expect(try table.judge(talk.there(.udp(1000, 99, payload: [1]))) == "drop default / accept rule")
                #expect(try table.judge(talk.there(.udp(1000, 99, payload: [1]))) == "drop default / accept rule")
                #expect(try table.simulator.flows().count == 1)
            }
        }

        /// The close of a connection is not placed in its flow a second time.
        @Test func aClosingConnectionIsNotTaken() throws {
            let talk = Talk(family: .v4)
            try Self.use(FlowScript.closed, shadow: FlowScript.renamed) { table throws in
                let steps: [(Frame, Direction, String)] = [
                    (talk.there(.tcp(1000, 80, flags: 2, sequence: 1000)), .in, "accept rule / accept rule"),
                    (talk.back(.tcp(80, 1000, flags: 18, sequence: 5000, acknowledgement: 1001)), .out, ""),
                    (talk.there(.tcp(1000, 80, flags: 16, sequence: 1001, acknowledgement: 5001)), .in, ""),
                    (talk.there(.tcp(1000, 80, flags: 17, sequence: 1001, acknowledgement: 5001)), .in, ""),
                    (talk.back(.tcp(80, 1000, flags: 17, sequence: 5001, acknowledgement: 1002)), .out, ""),
                    (talk.there(.tcp(1000, 80, flags: 16, sequence: 1002, acknowledgement: 5002)), .in, ""),
                    (talk.back(.tcp(80, 1000, flags: 4, sequence: 5002)), .out, ""),
                ]
                for (number, step) in steps.enumerated() {
                    let said = try table.judge(step.0, step.1)
                    let halves = said.split(separator: " / ").map { $0.split(separator: " ")[0] }
                    #expect(halves.count == 2 && halves[0] == halves[1], "step \(number + 1): \(said)")
                }
            }
        }

        private static func free(_ directions: String) -> String {
            FlowScript.policy(
                "  - { name: free, service: udp/53, direction: in, action: accept, stateless: true }\n"
                    + "  - { name: back, service: { protocol: udp, sourcePorts: [53] }, direction: out, "
                    + "action: accept, stateless: \(directions) }")
        }

        /// What passes both ways without a flow is answered without one: after a swap the answers would be adopted. An
        /// answer that has a flow of its own is judged by that, and would not be.
        @Test(arguments: AddressFamily.allCases) func answersToWhatPassesWithoutAFlow(family: AddressFamily) throws {
            let talk = Talk(family: family)
            let (there, back) = (talk.there(.udp(40000, 53, payload: [1])), talk.back(.udp(53, 40000, payload: [1])))
            try Self.use(Self.free("true"), shadow: FlowScript.closed, adopts: true) { table throws in
                // Also where the front answers.
                for _ in 0..<4 {
                    #expect(try table.judge(there) == "accept rule / accept rule")
                    #expect(try table.judge(back, .out) == "accept rule / accept adopted")
                }
            }
            try Self.use(Self.free("false"), shadow: FlowScript.closed, adopts: true) { table throws in
                #expect(try table.judge(there) == "accept rule / accept rule")
                #expect(try table.judge(back, .out) == "accept rule / drop default")
                #expect(try table.judge(back, .out) == "accept established / drop policy-changed")
                #expect(try table.judge(there) == "accept established / drop policy-changed")
            }
            try Self.use(Self.free("true"), shadow: FlowScript.closed) { table throws in
                #expect(try table.judge(there) == "accept rule / accept rule")
                #expect(try table.judge(back, .out) == "accept rule / drop default")
            }
        }

        /// An echo reply opens no flow, whatever accepts it: only one that passes by a stateless rule is adopted.
        @Test(arguments: [true, false]) func anEchoReply(stateless: Bool) throws {
            let talk = Talk(family: .v4)
            let policy = FlowScript.policy(
                "  - { name: out, service: icmp/echo-reply, direction: out, action: accept, stateless: \(stateless) }")
            try Self.use(policy, shadow: FlowScript.closed, adopts: true) { table throws in
                let said = try table.judge(talk.back(talk.echo.reply), .out)
                #expect(said == "accept rule / " + (stateless ? "accept adopted" : "drop default"))
            }
        }

        /// A limit that both have does what it did; of another nobody knows what is left.
        @Test func aLimitIsKnownWhereItIsTheSame() throws {
            try Self.use(Self.limited("1/m"), shadow: Self.limited("1/m")) { table throws in
                #expect(try table.judge(query(1000)) == "accept rule / accept rule")
                #expect(try table.judge(query(1001)) == "drop default / drop default")
                // Nothing was taken of it for the shadow.
                table.simulator.pass(seconds: 60)
                #expect(try table.judge(query(1002)) == "accept rule / accept rule")
            }
            try Self.use(Self.limited("1/m"), shadow: Self.limited("2/m")) { table throws in
                #expect(try table.judge(query(1000)) == "accept rule / may accept rule")
                #expect(try table.judge(query(1001)) == "drop default / may accept rule")
            }
        }

        /// What is rejected is answered as ever, and shown as it came.
        @Test func aRejectedPacketIsAnswered() throws {
            let rejecting = FlowScript.policy("  - { name: no, service: udp/53, direction: in, action: reject }")
            try Self.use(rejecting, shadow: FlowScript.closed) { table throws in
                let frame = query(1000)
                let record = try #require(table.records["web"])
                let outcome = try table.simulator.judge(frame: frame.bytes, portRecord: record, direction: .in)
                #expect(outcome.verdict == .reject && outcome.answer != nil)
                let events = try table.shadow.events()
                try #require(events.count == 1)
                let start = unsafe withUnsafeBytes(of: events[0].event.header) { unsafe Array($0) }
                #expect(Array(start.prefix(frame.bytes.count)) == Array(frame.bytes.prefix(start.count)))
                #expect(events[0].shadow.verdict == BH_ACCEPT.rawValue)
            }
        }

        /// Only what differs is streamed and counted as a change; all of it is counted as compared.
        @Test func whatDiffersIsCounted() throws {
            try Self.use(FlowScript.closed, shadow: FlowScript.shut) { table throws in
                for port in 0..<10 as Range<UInt16> { _ = try table.judge(query(1000 + port)) }
                _ = try table.judge(Talk(family: .v4).there(.udp(1000, 99, payload: [1])))
                let counts = try table.shadow.counts()
                #expect([counts.compared, counts.changed, counts.emitted, counts.lost] == [11, 10, 10, 0])
                #expect(try table.shadow.events().count == 10)
                #expect(try table.shadow.totals().map(\.total.packets) == [10])
            }
        }

        /// When nobody renews the lease any more, the program itself takes the flag back.
        @Test func aLeaseThatIsOverEndsIt() throws {
            try Self.use(FlowScript.closed, shadow: FlowScript.shut) { table throws in
                #expect(try table.judge(query(1000)) == "accept rule / drop rule")
                table.shadow.expire(at: 1)
                #expect(try table.judge(query(1001)) == "accept rule / -")
                #expect(!table.shadow.isOn)
                #expect(try table.judge(query(1002)) == "accept rule / -")
            }
        }
    }
}
