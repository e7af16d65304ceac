// SPDX-License-Identifier: Apache-2.0

extension UInt64 {
    /// Nanoseconds that are left of something, in seconds: 0 only if nothing is left.
    package var secondsLeft: UInt64 { (self + 999_999_999) / 1_000_000_000 }
}
