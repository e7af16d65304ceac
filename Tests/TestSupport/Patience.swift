// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How long tests wait for what must happen.
public enum Patience {
    /// How many times longer than the seconds that a test names. `Scripts/kernel` says it for a machine that is
    /// emulated; 1 elsewhere.
    public static let factor: Double = {
        let text = ProcessInfo.processInfo.environment["BULKHEAD_PATIENCE"]
        return max(text.flatMap(Double.init) ?? 1, 1)
    }()
}
