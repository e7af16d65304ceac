// SPDX-License-Identifier: Apache-2.0
import Network

/// What to write in place of what other firewalls take for a service.
enum ServiceRemedy {
    /// Words that follow `undefined service "NAME"`; nil where the name tells nothing.
    static func text(_ name: String) -> String? {
        if ["tcp", "udp", "sctp", "icmp", "icmpv6"].contains(name) {
            return "; for any packet of that protocol write \(name)/*"
        }
        if isPort(name) { return "; write tcp/\(name) or udp/\(name)" }
        if let form = withSlash(name) { return "; write \(form)" }
        if let number = ProtocolName.number(name) { return "; write proto/\(name) (protocol \(number))" }
        let forms = ["tcp/\(name)", "udp/\(name)"].filter { (try? ServiceText.parse($0)) != nil }
        return forms.isEmpty ? nil : "; write \(forms.joined(separator: " or "))"
    }

    /// A port or a range of ports without a protocol.
    private static func isPort(_ name: String) -> Bool {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count <= 2 && parts.allSatisfy { Problems.decimal($0).map { $0 <= 65_535 } ?? false }
    }

    /// `tcp:443` and `443/tcp` as `tcp/443`.
    private static func withSlash(_ name: String) -> String? {
        let parts = name.split(whereSeparator: { ":_ ".contains($0) })
        guard parts.count == 2 else { return nil }
        for (word, ports) in [(parts[0], parts[1]), (parts[1], parts[0])] {
            let form = "\(word.lowercased())/\(ports)"
            if (try? ServiceText.parse(form)) != nil { return form }
        }
        return nil
    }
}
