// SPDX-License-Identifier: Apache-2.0

/// A number for a set of owners, which entering and leaving owners change in constant time. Two different sets have
/// the same number with a probability of one in 2^128 per pair, which no policy brings near to one.
struct Fingerprint: Hashable, Sendable {
    private var high: UInt64 = 0
    private var low: UInt64 = 0

    /// An owner enters, or leaves if it is in.
    mutating func toggle(_ owner: Int) {
        let seed = UInt64(truncatingIfNeeded: owner) &+ 1
        high ^= Fingerprint.mixed(seed &* 0x9e37_79b9_7f4a_7c15)
        low ^= Fingerprint.mixed(seed &* 0xd1b5_4a32_d192_ed03 &+ 0x2545_f491_4f6c_dd1d)
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
