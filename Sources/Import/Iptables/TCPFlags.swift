// SPDX-License-Identifier: Apache-2.0

/// A condition on the flags of TCP. Rules of a policy ask for the segments that open a connection, flows for the rest.
enum TCPFlags {
    enum Meaning: Sendable, Hashable {
        /// Every segment that opens a connection meets it: SYN without ACK, FIN and RST.
        case openings
        /// None of them does. `ofConnections`: segments of ordinary connections do.
        case others(ofConnections: Bool)
        /// Some do.
        case some(String)
    }

    /// What `--tcp-flags MASK SET` says of the segments that open a connection.
    static func meaning(mask: String, set: String, isNegated: Bool) -> Meaning {
        let (mask, set) = (flags(mask), flags(set))
        func meets(_ segment: Set<String>) -> Bool { (segment.intersection(mask) == set) != isNegated }
        if ordinary.contains(where: meets) { return openings(mask, set, isNegated, hitsOrdinary: true) }
        return openings(mask, set, isNegated, hitsOrdinary: false)
    }

    /// Flags of segments that every connection has.
    private static let ordinary: [Set<String>] = [
        ["ACK"], ["ACK", "PSH"], ["SYN", "ACK"], ["FIN", "ACK"], ["RST"], ["RST", "ACK"],
    ]

    private static func openings(
        _ mask: Set<String>, _ set: Set<String>, _ isNegated: Bool, hitsOrdinary: Bool
    ) -> Meaning {
        let isImpossible =
            (mask.contains("SYN") && !set.contains("SYN"))
            || ["ACK", "FIN", "RST"].contains { mask.contains($0) && set.contains($0) }
        let isSure = !isImpossible && !mask.contains("PSH") && !mask.contains("URG")
        if isImpossible { return isNegated ? .openings : .others(ofConnections: hitsOrdinary) }
        if isSure { return isNegated ? .others(ofConnections: hitsOrdinary) : .openings }
        return .some((isNegated ? "! " : "") + "--tcp-flags")
    }

    private static func flags(_ text: String) -> Set<String> {
        switch text {
        case "ALL": ["SYN", "ACK", "FIN", "RST", "URG", "PSH"]
        case "NONE": []
        default: Set(text.split(separator: ",").map(String.init))
        }
    }
}
