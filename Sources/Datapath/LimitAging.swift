import CDatapathABI

extension bh_limit {
    /// Makes it as if what was used had been used this much earlier.
    mutating func age(_ nanoseconds: UInt64) { full_at.pass(nanoseconds) }
}

extension bh_source_set {
    mutating func age(_ nanoseconds: UInt64) {
        full_at.0.pass(nanoseconds)
        full_at.1.pass(nanoseconds)
        full_at.2.pass(nanoseconds)
        full_at.3.pass(nanoseconds)
        full_at.4.pass(nanoseconds)
        full_at.5.pass(nanoseconds)
        full_at.6.pass(nanoseconds)
        full_at.7.pass(nanoseconds)
    }
}

extension UInt64 {
    /// A limit's clock, in sixteenths of nanoseconds.
    fileprivate mutating func pass(_ nanoseconds: UInt64) { self -= Swift.min(nanoseconds << 4, self) }
}
