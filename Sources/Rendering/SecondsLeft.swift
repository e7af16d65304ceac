// SPDX-License-Identifier: Apache-2.0

extension UInt64 {
    /// Nanoseconds that are left of something, in seconds: 0 only if nothing is left.
    package var secondsLeft: UInt64 { (self + 999_999_999) / 1_000_000_000 }
}

extension Duration {
    /// The same of what is left of it; 0 where it is over.
    package var secondsLeft: UInt64 { self > .zero ? UInt64((self + .nanoseconds(999_999_999)).components.seconds) : 0 }
}
