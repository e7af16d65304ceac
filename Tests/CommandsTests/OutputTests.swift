// SPDX-License-Identifier: Apache-2.0
import Policy
import Testing

@testable import Commands
@testable import Control
@testable import Rendering

@Suite struct OutputTests {
    @Test func alignsColumns() {
        var table = Table([.init("PORT"), .init("PACKETS", .right), .init("STATE")])
        table.append(["web", "12", "enforcing"])
        table.append(["guests/tap9", "1234567890", ""])
        #expect(
            table.text == """
                PORT            PACKETS  STATE
                web                  12  enforcing
                guests/tap9  1234567890

                """)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_767_323_045_000_001_999, "2026-01-02T03:04:05.000001Z"),
            (951_827_696_789_000_000, "2000-02-29T12:34:56.789000Z"),
        ] as [(UInt64, String)])
    func printsTimeInUTC(nanoseconds: UInt64, text: String) {
        #expect(Timestamp(nanoseconds: nanoseconds).utc == text)
    }

    @Test func refusalSaysWhatToDoNext() {
        #expect(Words(Refusal("it failed", advice: "try again")).text == "it failed\n  try again")
        #expect(Words(Refusal("it failed")).text == "it failed")
    }

    @Test(arguments: LaterCommand.names)
    func refusesCommandsOfLaterVersionsByName(name: String) {
        #expect(throws: Refusal.self) { try LaterCommand.refuse([name, "--json"]) }
        #expect(throws: Refusal.self) { try LaterCommand.refuse(["help", name]) }
        #expect(throws: Never.self) { try LaterCommand.refuse(["check", name]) }
    }
}
