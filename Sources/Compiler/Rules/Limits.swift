// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// The limits of a policy's size.
struct Limits: Sendable {
    var rules = Int(BH_RULES_MAX)
    var dynamicGroups = Int(BH_GROUPS_MAX)
    var additions = RuleAddition.most
    var limitedRules = Int(BH_LIMITS_MAX)
    /// Rules with `connections`, which a condition numbers.
    var countedRules = Int(UInt16.max)
    var imageBytes = Int(BH_PAGES_MAX) << Int(BH_PAGE_BITS)
    /// Port records. A device refers to its record by a fifteen-bit number, because the sixteenth bit marks quarantine.
    var portRecords = Int(BH_QUARANTINED) - 2
    var files = Int(UInt16.max)
    /// Pairs of address classes, over all rules.
    var cells = 1 << 24
    /// The cells from which on the widest pairs of address sets are in bitmaps.
    var cellsBeforeBitmaps = 1 << 21
    /// Rules in bitmaps, at each pair of address sets by itself.
    var bitmapItems = Int(BH_BITMAP_WORDS) * 64
    /// Memberships of address classes in address sets.
    var memberships = 1 << 26
    /// Classes of one protocol's ports, or of its types and codes.
    var keyClasses = Int(UInt16.max)
    /// Entries of any other table.
    var tableEntries = 1 << 25
}
