import CDatapathABI

/// What a policy may grow to; beyond, it is refused whole.
enum Limits {
    static let rules = Int(BH_RULES_MAX)
    static let imageBytes = Int(BH_PAGES_MAX) << Int(BH_PAGE_BITS)
    /// Port records: a device names its own by a fifteen-bit number, beside the bit of quarantine.
    static let portRecords = Int(BH_QUARANTINED) - 2
    static let files = Int(UInt16.max)
    /// Pairs of address classes over all rules.
    static let cells = 1 << 24
    /// How often address classes are in address sets.
    static let memberships = 1 << 26
    /// Entries of one table of classes.
    static let tableEntries = 1 << 25

    /// Refuses a dimension that does not fit.
    static func check(_ dimension: String, _ figure: Int, atMost limit: Int) throws(CompileError) {
        if figure > limit {
            throw CompileError(message: "the policy is too large: \(figure) \(dimension), at most \(limit)")
        }
    }
}
