// SPDX-License-Identifier: Apache-2.0

/// Message types of ICMP and ICMPv6 by the names that IANA registers them under.
public enum ICMPMessage {
    /// The type of a name such as `echo-request`, by family.
    public static func type(_ name: String, _ family: AddressFamily) -> UInt8? {
        (family == .v4 ? v4 : v6)[name]
    }

    /// The name of a type, where it has one.
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
}
