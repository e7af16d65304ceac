// SPDX-License-Identifier: Apache-2.0

/// Message types of ICMP and ICMPv6 by the names that IANA registers.
public enum ICMPMessage {
    /// The type of a name such as `echo-request`, by family.
    public static func type(_ name: String, _ family: AddressFamily) -> UInt8? {
        (family == .v4 ? v4 : v6)[name]
    }

    /// The name of a type; nil if it has none.
    public static func name(_ type: UInt8, _ family: AddressFamily) -> String? {
        (family == .v4 ? v4 : v6).first { $0.value == type }?.key
    }

    /// Every name of the family, sorted.
    public static func names(_ family: AddressFamily) -> [String] { (family == .v4 ? v4 : v6).keys.sorted() }

    private static let v4: [String: UInt8] = [
        "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
        "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
        "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
        "address-mask-request": 17, "address-mask-reply": 18, "extended-echo-request": 42,
        "extended-echo-reply": 43,
    ]

    private static let v6: [String: UInt8] = [
        "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
        "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
        "mld-listener-done": 132, "router-solicitation": 133, "router-advertisement": 134,
        "neighbour-solicitation": 135, "neighbor-solicitation": 135, "neighbour-advertisement": 136,
        "neighbor-advertisement": 136, "redirect": 137, "mld2-listener-report": 143,
        "extended-echo-request": 160, "extended-echo-reply": 161,
    ]

    // MARK: Codes

    /// The code of a name such as `port-unreachable` in messages of a type.
    public static func code(_ name: String, type: UInt8, _ family: AddressFamily) -> UInt8? {
        codes(type, family)[name]
    }

    /// Every name of a code of a type, sorted.
    public static func codeNames(type: UInt8, _ family: AddressFamily) -> [String] {
        codes(type, family).keys.sorted()
    }

    /// The type and the code that a code's name stands for; nil if not exactly one type has it.
    public static func message(ofCode name: String, _ family: AddressFamily) -> (type: UInt8, code: UInt8)? {
        let all = family == .v4 ? v4Codes : v6Codes
        let found = all.compactMap { type, codes in codes[name].map { (type: type, code: $0) } }
        return found.count == 1 ? found[0] : nil
    }

    private static func codes(_ type: UInt8, _ family: AddressFamily) -> [String: UInt8] {
        (family == .v4 ? v4Codes : v6Codes)[type] ?? [:]
    }

    private static let v4Codes: [UInt8: [String: UInt8]] = [
        3: [
            "net-unreachable": 0, "host-unreachable": 1, "protocol-unreachable": 2, "port-unreachable": 3,
            "fragmentation-needed": 4, "source-route-failed": 5, "net-unknown": 6, "host-unknown": 7,
            "source-host-isolated": 8, "net-prohibited": 9, "host-prohibited": 10, "net-tos-unreachable": 11,
            "host-tos-unreachable": 12, "admin-prohibited": 13, "communication-prohibited": 13,
            "host-precedence-violation": 14, "precedence-cutoff": 15,
        ],
        5: ["net-redirect": 0, "host-redirect": 1, "net-tos-redirect": 2, "host-tos-redirect": 3],
        11: ["ttl-exceeded-in-transit": 0, "reassembly-exceeded": 1],
        12: ["pointer-indicates-error": 0, "missing-required-option": 1, "bad-length": 2],
    ]

    private static let v6Codes: [UInt8: [String: UInt8]] = [
        1: [
            "no-route": 0, "admin-prohibited": 1, "beyond-scope": 2, "address-unreachable": 3, "port-unreachable": 4,
            "policy-failed": 5, "reject-route": 6, "source-routing-error": 7,
        ],
        3: ["hop-limit-exceeded": 0, "reassembly-exceeded": 1],
        4: ["bad-header": 0, "unknown-header-type": 1, "unknown-option": 2],
    ]
}
