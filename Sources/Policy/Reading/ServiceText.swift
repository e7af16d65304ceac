// SPDX-License-Identifier: Apache-2.0
import Network

/// Reads the short forms of services: `tcp/443`, `udp/domain,5353`, `icmp/echo-request`, `proto/gre`, `ethertype/llc`.
public enum ServiceText {
    /// Why a text is not a service, as words that follow its name.
    public struct Refusal: Error {
        public var reason: String
    }

    static let anyPort: ClosedRange<UInt16> = 0...UInt16.max
    static let portProtocols: [String: UInt8] = ["tcp": 6, "udp": 17, "sctp": 132]
    static let forms =
        "tcp/PORT, udp/PORT, sctp/PORT, icmp/TYPE, icmpv6/TYPE, proto/N, ethertype/0xNNNN or a service's name"

    /// A service in its short form, which has a slash.
    public static func parse(_ text: String) throws(Refusal) -> Service {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        switch parts[0] {
        case "tcp", "udp", "sctp":
            guard parts.count == 2 else { throw Refusal(reason: "expected \(parts[0])/PORT") }
            let number = portProtocols[parts[0], default: 0]
            return .ports(protocol: number, destination: try ports(parts[1], number), source: [anyPort])
        case "icmp": return try icmp(parts, .v4)
        case "icmpv6": return try icmp(parts, .v6)
        case "proto": return try ipProtocol(parts)
        case "ethertype": return try ethertype(parts)
        default:
            let words = ["tcp", "udp", "sctp", "icmpv6", "icmp", "proto", "ethertype"]
            if parts.count == 2, words.contains(parts[1]) {
                throw Refusal(reason: "did you mean \"\(parts[1])/\(parts[0])\"?")
            }
            guard let nearest = NearestName.of(parts[0], among: words) else {
                throw Refusal(reason: "expected \(forms)")
            }
            throw Refusal(reason: "did you mean \"\(nearest)\"?")
        }
    }

    // MARK: Ports

    /// Ports of TCP, UDP or SCTP: numbers, ranges and names, with commas between them; `*` is any.
    static func ports(_ text: String, _ protocolNumber: UInt8) throws(Refusal) -> [ClosedRange<UInt16>] {
        var result: [ClosedRange<UInt16>] = []
        for part in text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            result.append(try range(String(Substring(part)), protocolNumber))
        }
        return result
    }

    private static func range(_ text: String, _ protocolNumber: UInt8) throws(Refusal) -> ClosedRange<UInt16> {
        if text == "*" { return anyPort }
        if let port = port(text) ?? PortName.port(text, protocolNumber: protocolNumber) { return port...port }
        if let dash = text.utf8.firstIndex(of: UInt8(ascii: "-")), let low = port(text[..<dash]),
            let high = port(text[text.utf8.index(after: dash)...])
        {
            guard low <= high else {
                throw Refusal(reason: "the range \(text) runs backwards; did you mean \(high)-\(low)?")
            }
            return low...high
        }
        let nearest = NearestName.of(text, among: PortName.names(protocolNumber: protocolNumber))
        throw Refusal(
            reason:
                "\"\(text)\" is not a port: expected a number from 0 to 65535, a range A-B, a name such as ssh, or *"
                + (nearest.map { "; did you mean \"\($0)\"?" } ?? ""))
    }

    private static func port(_ text: some StringProtocol) -> UInt16? {
        Problems.decimal(text).flatMap { UInt16(exactly: $0) }
    }

    // MARK: Other protocols

    private static func byte(_ text: String) -> UInt8? { Problems.decimal(text).flatMap { UInt8(exactly: $0) } }

    private static func ipProtocol(_ parts: [String]) throws(Refusal) -> Service {
        guard parts.count == 2, let number = byte(parts[1]) ?? ProtocolName.number(parts[1]) else {
            let nearest = parts.count == 2 ? NearestName.of(parts[1], among: ProtocolName.names) : nil
            throw Refusal(
                reason: "expected proto/N with N from 0 to 255 or a name such as gre"
                    + (nearest.map { "; did you mean \"proto/\($0)\"?" } ?? ""))
        }
        return .protocol(number)
    }

    private static func icmp(_ parts: [String], _ family: AddressFamily) throws(Refusal) -> Service {
        guard parts.count == 2 || parts.count == 3 else { throw Refusal(reason: "expected \(parts[0])/TYPE[/CODE]") }
        if parts[1] == "*", parts.count == 2 { return .icmp(family, type: nil, code: nil) }
        guard let type = byte(parts[1]) ?? ICMPMessage.type(parts[1], family) else {
            throw Refusal(reason: noType(parts[1], of: parts[0], family))
        }
        guard parts.count == 3 else { return .icmp(family, type: type, code: nil) }
        guard let code = byte(parts[2]) ?? ICMPMessage.code(parts[2], type: type, family) else {
            let names = ICMPMessage.codeNames(type: type, family)
            let some = names.isEmpty ? "" : ", or one of \(names.joined(separator: ", "))"
            throw Refusal(reason: "the code must be a number from 0 to 255\(some)")
        }
        return .icmp(family, type: type, code: code)
    }

    private static func noType(_ text: String, of name: String, _ family: AddressFamily) -> String {
        let start = "\"\(text)\" is not a type of \(name)"
        if let message = ICMPMessage.message(ofCode: text, family),
            let type = ICMPMessage.name(message.type, family)
        {
            return start + " but a code of \(type): write \(name)/\(type)/\(text)"
        }
        let nearest = NearestName.of(text, among: ICMPMessage.names(family))
        return start + ": expected 0 to 255 or a name such as echo-request"
            + (nearest.map { "; did you mean \"\($0)\"?" } ?? "")
    }

    private static func ethertype(_ parts: [String]) throws(Refusal) -> Service {
        if parts.count == 2, parts[1] == "llc" { return .ethertype(nil) }
        guard parts.count == 2, parts[1].hasPrefix("0x"), parts[1].utf8.count == 6,
            let number = UInt16(parts[1].dropFirst(2), radix: 16)
        else { throw Refusal(reason: "expected ethertype/llc or ethertype/0xNNNN") }
        switch number {
        case 0x0800: throw Refusal(reason: "it is IPv4; a rule without \"service\" matches any IP packet")
        case 0x86dd: throw Refusal(reason: "it is IPv6; a rule without \"service\" matches any IP packet")
        case 0x0806, 0x8035: throw Refusal(reason: "it is ARP, which the essentials and guards decide")
        case 0x8100, 0x88a8, 0x9100: throw Refusal(reason: "it is a VLAN tag; use the key \"vlan\"")
        case ..<0x0600: throw Refusal(reason: "below 0x0600 it is a length; use ethertype/llc")
        default: return .ethertype(number)
        }
    }
}
