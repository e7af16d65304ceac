// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Commands
@testable import Control

@Suite struct CaptureClockTests {
    private static let second: UInt64 = 1_000_000_000
    private static let present = 1_700_000_000 * second
    private static let date = 1_500_000_000 * second

    @Test(
        arguments: [
            ("a date", [date, date + 7], [date, date + 7]),
            (
                "back and forth", [date, date - 9, date + 1, date, date + 2],
                [date, date, date + 1, date + 1, date + 2]
            ),
            ("from zero on", [0, 0, second, 3 * second], [present, present, present + second, present + 3 * second]),
            ("a date after none", [0, second, date, second], [present, present + second, date, date]),
            ("the last there is", [date, .max, date], [date, .max, .max]),
        ] as [(String, [UInt64], [UInt64])])
    func stampsBecomeTimes(description: String, stamps: [UInt64], times: [UInt64]) {
        var clock = CaptureClock(present: Self.present)
        #expect(stamps.map { clock.advance(to: $0) } == times)
    }
}
