// SPDX-License-Identifier: Apache-2.0

/// A map of an instance; the raw value is the name of its pin.
package enum MapName: String, CaseIterable {
    case slots
    case scratch
    case portCounters = "port_counters"
    case ruleCounters = "rule_counters"
    case eventCounters = "event_counters"
    case rings
    case readers
    case buckets
    case answers
    case flows
    case flowBuckets = "flow_buckets"
    case flowHints = "flow_hints"
    case flowScopes = "flow_scopes"
    case flowTotals = "flow_totals"
    case stamp
    case verdicts
    case readerBudgets = "reader_budgets"
    case fragments
    case limits
    case sources
    case holders
    case groups
    case added
    case addedState = "added_state"
    case ownAddresses = "own_addresses"
    case addressWalks = "address_walks"
    case localMemos = "local_memos"
    case localSearches = "local_searches"
    case tcPrograms = "tc_programs"
    case xdpPrograms = "xdp_programs"
    case genericPrograms = "generic_programs"
    /// The controller's own, see ``InstanceState``.
    case instance
    /// The names of ports that are cut off; also the controller's own.
    case quarantine

    /// Those that the programs use.
    package static let ofPrograms = allCases.filter { $0 != .instance && $0 != .quarantine }
}
