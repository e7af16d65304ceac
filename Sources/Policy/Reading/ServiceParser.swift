// SPDX-License-Identifier: Apache-2.0
import Network

/// A service as written: alternatives, and names of other services.
struct WrittenService {
    var services: [Service] = []
    var names: [(name: String, location: SourceLocation)] = []
}

/// Reads services: short forms, long forms and lists.
struct ServiceParser {
    let problems: Problems

    static let forms =
        "tcp/PORT, udp/PORT, sctp/PORT, icmp/TYPE, icmpv6/TYPE, proto/N, ethertype/0xNNNN or a service's name"
    private static let protocols: [String: UInt8] = ["tcp": 6, "udp": 17, "sctp": 132]
    private static let anyPort: ClosedRange<UInt16> = 0...UInt16.max

    func parse(_ node: Node) -> WrittenService {
        var result = WrittenService()
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "expected a service, found an empty list")
        }
        for item in node.items {
            switch item.content {
            case .mapping:
                if let service = long(item) { result.services.append(service) }
            case .scalar(let text, _) where !text.isEmpty:
                if !text.utf8.contains(UInt8(ascii: "/")) {
                    result.names.append((text, item.location))
                } else if let service = short(text, at: item.location) {
                    result.services.append(service)
                }
            default:
                problems.expected(ServiceParser.forms, at: item)
            }
        }
        return result
    }

    // MARK: Short form

    private func short(_ text: String, at location: SourceLocation) -> Service? {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        switch parts[0] {
        case "tcp", "udp", "sctp":
            guard parts.count == 2 else { return refuse(text, "expected \(parts[0])/PORT", location) }
            return ports(parts[1], at: location).map {
                .ports(
                    protocol: ServiceParser.protocols[parts[0], default: 0], destination: [$0],
                    source: [ServiceParser.anyPort])
            }
        case "icmp": return icmp(parts, .v4, text, location)
        case "icmpv6": return icmp(parts, .v6, text, location)
        case "proto":
            guard parts.count == 2, let number = Problems.decimal(parts[1]).flatMap({ UInt8(exactly: $0) }) else {
                return refuse(text, "expected proto/N with N from 0 to 255", location)
            }
            return .protocol(number)
        case "ethertype": return ethertype(parts, text, location)
        default:
            let words = ["tcp", "udp", "sctp", "icmpv6", "icmp", "proto", "ethertype"]
            let suggestion = problems.suggestion(for: parts[0], among: words)
            return refuse(
                text, suggestion.isEmpty ? "expected \(ServiceParser.forms)" : String(suggestion.dropFirst(2)), location
            )
        }
    }

    private func icmp(
        _ parts: [String], _ family: AddressFamily, _ text: String, _ location: SourceLocation
    ) -> Service? {
        guard parts.count == 2 || parts.count == 3 else {
            return refuse(text, "expected \(parts[0])/TYPE[/CODE]", location)
        }
        if parts[1] == "*", parts.count == 2 { return .icmp(family, type: nil, code: nil) }
        guard
            let type = Problems.decimal(parts[1]).flatMap({ UInt8(exactly: $0) })
                ?? ICMPMessage.type(parts[1], family)
        else {
            let suggestion = problems.suggestion(for: parts[1], among: ICMPMessage.names(family))
            return refuse(
                text,
                "\"\(parts[1])\" is not a type of \(parts[0]): expected 0 to 255 or a name such as "
                    + "echo-request\(suggestion)",
                location)
        }
        guard parts.count == 3 else { return .icmp(family, type: type, code: nil) }
        guard let code = Problems.decimal(parts[2]).flatMap({ UInt8(exactly: $0) }) else {
            return refuse(text, "the code must be a number from 0 to 255", location)
        }
        return .icmp(family, type: type, code: code)
    }

    private func ethertype(_ parts: [String], _ text: String, _ location: SourceLocation) -> Service? {
        if parts.count == 2, parts[1] == "llc" { return .ethertype(nil) }
        guard parts.count == 2, parts[1].hasPrefix("0x"), parts[1].utf8.count == 6,
            let number = UInt16(parts[1].dropFirst(2), radix: 16)
        else { return refuse(text, "expected ethertype/llc or ethertype/0xNNNN", location) }
        switch number {
        case 0x0800: return refuse(text, "it is IPv4; a rule without \"service\" matches any IP packet", location)
        case 0x86dd: return refuse(text, "it is IPv6; a rule without \"service\" matches any IP packet", location)
        case 0x0806, 0x8035: return refuse(text, "it is ARP, which the essentials and guards decide", location)
        case 0x8100, 0x88a8, 0x9100: return refuse(text, "it is a VLAN tag; use the key \"vlan\"", location)
        case ..<0x0600: return refuse(text, "below 0x0600 it is a length; use ethertype/llc", location)
        default: return .ethertype(number)
        }
    }

    private func refuse(_ text: String, _ why: String, _ location: SourceLocation) -> Service? {
        problems.error(location, "\"\(text)\" is not a service: \(why)")
        return nil
    }

    // MARK: Long form

    private func long(_ node: Node) -> Service? {
        guard let fields = Fields(node, "a service", keys: ["protocol", "ports", "sourcePorts"], problems) else {
            return nil
        }
        let destination = portList(fields["ports"])
        let source = portList(fields["sourcePorts"])
        guard let name = fields["protocol"] else {
            problems.error(node.location, "the service has no \"protocol\"")
            return nil
        }
        guard case .scalar(let text, _) = name.content, let number = ServiceParser.protocols[text] else {
            problems.expected(
                "tcp, udp or sctp (for other protocols use the short form, such as icmp/echo-request)", at: name)
            return nil
        }
        guard let destination, let source else { return nil }
        return .ports(protocol: number, destination: destination, source: source)
    }

    /// The listed ports; all ports if the key is left out, nil after an error.
    private func portList(_ node: Node?) -> [ClosedRange<UInt16>]? {
        guard let node else { return [ServiceParser.anyPort] }
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "expected a port, found an empty list")
            return nil
        }
        let ranges = node.items.map { item in
            problems.text(item, "a port, a range A-B or *").flatMap { ports($0, at: item.location) }
        }
        return ranges.contains(nil) ? nil : ranges.compactMap(\.self)
    }

    private func ports(_ text: String, at location: SourceLocation) -> ClosedRange<UInt16>? {
        if text == "*" { return ServiceParser.anyPort }
        let dash = text.utf8.firstIndex(of: UInt8(ascii: "-"))
        guard let low = port(text[..<(dash ?? text.endIndex)]),
            let high = dash.map({ port(text[text.utf8.index(after: $0)...]) }) ?? low
        else {
            problems.error(location, "\"\(text)\" is not a port: expected a number from 0 to 65535, a range A-B or *")
            return nil
        }
        guard low <= high else {
            problems.error(location, "the range \(text) runs backwards; did you mean \(high)-\(low)?")
            return nil
        }
        return low...high
    }

    private func port(_ text: Substring) -> UInt16? { Problems.decimal(text).flatMap { UInt16(exactly: $0) } }
}
