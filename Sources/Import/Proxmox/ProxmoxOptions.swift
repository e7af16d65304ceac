// SPDX-License-Identifier: Apache-2.0
import Policy

/// The lines of `[OPTIONS]`.
enum ProxmoxOptions {
    enum File { case cluster, host, guest }

    /// What becomes of an option.
    private enum Fate {
        /// The policy says it.
        case said
        /// It is about something that no policy says, and stays.
        case stays
        /// It is not said where it is on.
        case leftOut(String)
    }

    /// Reads a line; what a reader should know of it.
    static func read(
        _ line: Substring, _ kind: File, _ origin: Origin, _ file: inout ProxmoxFile
    ) -> ImportedPolicy.Note? {
        func note(_ kind: ImportedPolicy.Note.Kind, _ words: String) -> ImportedPolicy.Note {
            .init(kind: kind, file: origin.file, line: origin.line, words: "\(origin.shown): \(words)")
        }
        guard let colon = line.firstIndex(of: ":") else { return note(.leftOut, "it is not an option and its value") }
        let name = ProxmoxLine.trimmed(line[..<colon]).lowercased()
        let value = ProxmoxLine.trimmed(line[line.index(after: colon)...]).lowercased()
        guard let fate = fate(name, kind) else { return note(.leftOut, "this option is not known here") }
        guard isValid(name, value) else { return note(.leftOut, "the value is not one that pve-firewall takes") }
        file.options[name] = .init(value: value, origin: origin)
        switch fate {
        case .said: return nil
        case .stays: return note(.stays, "it is not about what may pass")
        case .leftOut(let words): return value == "0" ? nil : note(.leftOut, words)
        }
    }

    private static func isValid(_ name: String, _ value: String) -> Bool {
        if name.hasPrefix("policy_") { return ["accept", "drop", "reject"].contains(value) }
        let switches = [
            "ebtables", "nosmurfs", "tcpflags", "ndp", "dhcp", "radv", "macfilter", "ipfilter", "ips",
            "protection_synflood", "nf_conntrack_allow_invalid",
        ]
        if switches.contains(name) { return value == "0" || value == "1" }
        let numbers = ["enable", "protection_synflood_rate", "protection_synflood_burst"]
        if numbers.contains(name) { return value.utf8.count <= 12 && ProxmoxName.number(value[...]) != nil }
        return true
    }

    private static func fate(_ name: String, _ kind: File) -> Fate? {
        switch (name, kind) {
        case ("enable", _), ("policy_in", .cluster), ("policy_out", .cluster), ("policy_forward", .cluster),
            ("ebtables", .cluster), ("policy_in", .guest), ("policy_out", .guest), ("nosmurfs", .host),
            ("tcpflags", .host), ("protection_synflood", .host), ("protection_synflood_rate", .host),
            ("protection_synflood_burst", .host), ("dhcp", .guest), ("radv", .guest), ("macfilter", .guest),
            ("ipfilter", .guest):
            .said
        // Drops are streamed, and neighbour discovery passes by itself.
        case ("log_level_in", _), ("log_level_out", _), ("log_level_forward", _), ("tcp_flags_log_level", .host),
            ("smurf_log_level", .host), ("ndp", _), ("nftables", .host):
            .said
        case ("nf_conntrack_max", .host), ("nf_conntrack_tcp_timeout_established", .host),
            ("nf_conntrack_tcp_timeout_syn_recv", .host), ("log_nf_conntrack", .host), ("log_ratelimit", .cluster),
            ("ips_queues", .guest):
            .stays
        case ("nf_conntrack_helpers", .host):
            .leftOut("connections that a helper expects are not let in; name their ports in rules")
        case ("nf_conntrack_allow_invalid", .host):
            .leftOut("segments that belong to no connection are dropped")
        case ("ips", .guest):
            .leftOut("what is accepted does not go to the intrusion prevention, which could drop it")
        case ("layer2_protocols", .guest):
            .leftOut("frames that are neither IP nor ARP are dropped unless a rule's service names their ethertype")
        default: nil
        }
    }
}
