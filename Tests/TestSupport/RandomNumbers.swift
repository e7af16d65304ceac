// SPDX-License-Identifier: Apache-2.0

/// Random numbers that depend on a seed alone.
public struct RandomNumbers: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// True with a probability of one in `times`.
    public mutating func once(in times: Int) -> Bool { Int.random(in: 0..<times, using: &self) == 0 }

    public mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    public mutating func pick<Values: RandomAccessCollection>(_ values: Values) -> Values.Element
    where Values.Index == Int {
        values[values.startIndex + Int.random(in: 0..<values.count, using: &self)]
    }

    /// A random, possibly empty subset of the values.
    public mutating func some<Value>(of values: [Value]) -> [Value] {
        values.filter { _ in Bool.random(using: &self) }
    }
}
