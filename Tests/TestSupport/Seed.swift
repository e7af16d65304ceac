// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The first seed of a test that draws its cases.
public enum Seed {
    /// `BULKHEAD_SEED`; without it `usual`, if the test tries the same cases each time. Any other test takes
    /// `BULKHEAD_DRAW`, which `Scripts/test` makes from the product, so that a run of the same product draws the same;
    /// and without that one by chance.
    public static func first(usual: UInt64? = nil) -> UInt64 {
        let environment = ProcessInfo.processInfo.environment
        func number(_ name: String) -> UInt64? { environment[name].flatMap(UInt64.init) }
        return number("BULKHEAD_SEED") ?? usual ?? number("BULKHEAD_DRAW") ?? .random(in: 0...UInt64(UInt32.max))
    }

    /// How many cases to draw: the number in the environment's `name`, or `usual`.
    public static func count(_ name: String, usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual
    }
}
