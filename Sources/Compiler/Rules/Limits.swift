// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// What a policy may grow to.
struct Limits: Sendable {
    var rules = Int(BH_RULES_MAX)
    var dynamicGroups = Int(BH_GROUPS_MAX)
    var limitedRules = Int(BH_LIMITS_MAX)
    var imageBytes = Int(BH_PAGES_MAX) << Int(BH_PAGE_BITS)
    /// Port records: a device names its own by a fifteen-bit number, beside the bit of quarantine.
    var portRecords = Int(BH_QUARANTINED) - 2
    var files = Int(UInt16.max)
    /// Pairs of address classes over all rules.
    var cells = 1 << 24
    /// How often address classes are in address sets.
    var memberships = 1 << 26
    /// Classes of one protocol's ports, or types and codes.
    var keyClasses = Int(UInt16.max)
    /// Entries of one table of classes.
    var tableEntries = 1 << 25
}
