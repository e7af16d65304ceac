// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Why a packet got its verdict, in the contract's words and the order of `enum bh_reason`.
public enum Reason: String, Sendable, Hashable, CaseIterable {
    case rule
    case `default`
    case malformed
    case vlan
    case nonIP = "non-ip"
    case guardMAC = "guard-mac"
    case guardIP = "guard-ip"
    case guardARP = "guard-arp"
    case guardND = "guard-nd"
    case guardDHCP = "guard-dhcp"
    case guardRA = "guard-ra"
    case guardPromiscuous = "guard-promiscuous"
    case guardDestination = "guard-destination"
    case quarantine
    case fragment
    case extensionHeader = "extension-header"
    case invalidState = "invalid-state"
    case flowTableFull = "flow-table-full"
    case policyChanged = "policy-changed"
    case notAdmitted = "not-admitted"
    case established
    case related
    case essential
    case control
    case adopted
}

extension Reason {
    private static let numbers: [Reason: UInt32] = Dictionary(
        uniqueKeysWithValues: zip(allCases, BH_REASON_RULE.rawValue...))

    /// Reads a value of `enum bh_reason`; nil for `BH_REASON_NONE` and unknown values.
    public init?(_ number: UInt32) {
        guard number > BH_REASON_NONE.rawValue, number < BH_REASON_MAX.rawValue else { return nil }
        self = Reason.allCases[Int(number - BH_REASON_RULE.rawValue)]
    }

    /// The value of `enum bh_reason`.
    public var number: UInt32 { Reason.numbers[self] ?? BH_REASON_NONE.rawValue }
}
