// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Policy
import Wire

/// Which events a reader asks for. Others cost the kernel nothing.
public struct EventFilter: Sendable, Hashable {
    /// Entries, `entry/device`s or devices; nil: all ports.
    public var ports: Set<String>?
    /// nil: all reasons.
    public var reasons: Set<Reason>?
    /// Names of rules; nil: whatever rule decides, or none.
    public var rules: Set<String>?
    /// Only packets from or to an address of this prefix.
    public var host: Prefix?
    /// Only packets that one of these matches; nil: all packets.
    public var services: [Service]?
    /// Also logged accepts.
    public var accepts: Bool

    public init(
        ports: Set<String>? = nil, reasons: Set<Reason>? = nil, rules: Set<String>? = nil, host: Prefix? = nil,
        services: [Service]? = nil, accepts: Bool = false
    ) {
        self.ports = ports
        self.reasons = reasons
        self.rules = rules
        self.host = host
        self.services = services
        self.accepts = accepts
    }

    /// Why the kernel cannot filter so: a name that the policy in force does not have, or too many of them.
    func problem(in image: LiveImage) -> DatapathError? {
        if let ports, let unknown = image.unknownPort(among: ports) { return unknown }
        let known = Set(image.counterSlots().map(\.name))
        if let rule = (rules ?? []).sorted().first(where: { !known.contains($0) }) {
            let nearest = NearestName.of(rule, among: known.sorted())
            return DatapathError(
                "no rule in force is called '\(rule)'",
                advice: nearest.map { "did you mean '\($0)'?" } ?? "'bulkhead counters' lists them")
        }
        if let rules, rules.count > Int(BH_READER_RULES) {
            return DatapathError(
                "one stream can ask for \(BH_READER_RULES) rules, not \(rules.count)",
                advice: "ask for fewer, or run several streams")
        }
        if let services, ReaderService.terms(of: services).count > Int(BH_READER_SERVICES) {
            return DatapathError(
                "the services have more ranges than one stream can ask for, which is \(BH_READER_SERVICES)",
                advice: "ask for some of them, such as tcp/443, or for a wider range, such as tcp/*")
        }
        return nil
    }

    /// The filter as the kernel reads it, without the time of expiry. A port or rule that no longer exists matches
    /// nothing.
    ///
    /// - Parameter images: Those that may judge: names mean the same in each.
    func raw(in images: [LiveImage]) -> bh_reader {
        var raw = bh_reader()
        raw.flags = BH_READER_ACTIVE.rawValue
        if accepts { raw.flags |= BH_READER_ACCEPTS.rawValue }
        raw.reasons = (reasons ?? Set(Reason.allCases)).reduce(0) { $0 | 1 << $1.number }
        if let host { raw.setHost(host) }
        if let rules {
            raw.flags |= BH_READER_RULE.rawValue
            let slots = Set(images.flatMap { $0.counterSlots() }.filter { rules.contains($0.name) }.map(\.slot))
            // BH_NONE is what a packet without a rule has, and a rule without a counter.
            fill(&raw.rules, with: slots.filter { $0 != BH_NONE }, otherwise: BH_NONE - 1)
        }
        if let services {
            raw.flags |= BH_READER_SERVICE.rawValue
            fill(&raw.services, with: ReaderService.terms(of: services), otherwise: ReaderService.nothing)
        }
        if let ports {
            raw.flags |= BH_READER_DEVICES.rawValue
            let devices = images.flatMap { image in
                image.namedDevices().filter { device in ports.contains { image.isCalled($0, device) } }
            }
            for device in devices {
                unsafe withUnsafeMutableBytes(of: &raw.devices) { bytes in
                    let bits = unsafe bytes.bindMemory(to: UInt64.self)
                    unsafe bits[Int(device.id) / 64] |= 1 << UInt64(device.id % 64)
                }
            }
        }
        if host != nil || rules != nil || services != nil || ports != nil || reasons != nil {
            raw.flags |= BH_READER_NARROW.rawValue
        }
        return raw
    }
}

extension bh_reader {
    fileprivate mutating func setHost(_ host: Prefix) {
        // The bits of a prefix are its address and all that follow it, less what they have in common.
        let mask = ~(host.first ^ host.last)
        flags |= BH_READER_HOST.rawValue
        host_family = UInt32(host.family.rawValue)
        host_high = host.family == .v6 ? UInt64(truncatingIfNeeded: host.first >> 64) : 0
        host_low = UInt64(truncatingIfNeeded: host.first)
        mask_high = UInt64(truncatingIfNeeded: mask >> 64)
        mask_low = UInt64(truncatingIfNeeded: mask)
    }
}

/// Fills a C array with elements, and what is left of it with another value.
private func fill<Tuple: BitwiseCopyable, Element: BitwiseCopyable>(
    _ tuple: inout Tuple, with elements: [Element], otherwise filler: Element
) {
    unsafe withUnsafeMutableBytes(of: &tuple) { bytes in
        let places = unsafe bytes.bindMemory(to: Element.self)
        for index in places.indices {
            unsafe places[index] = index < elements.count ? elements[index] : filler
        }
    }
}

/// A service in the terms in which the kernel looks for it in packets.
enum ReaderService {
    /// Matches no packet.
    static var nothing: bh_reader_service {
        term(UInt16(BH_PROTOCOL_INDEX_MAX.rawValue), key: 0...0, source: 0...0)
    }

    static func terms(of services: [Service]) -> [bh_reader_service] { services.flatMap(terms(of:)) }

    private static let any: ClosedRange<UInt16> = 0...UInt16.max

    private static func terms(of service: Service) -> [bh_reader_service] {
        switch service {
        case .ports(let number, let destination, let source):
            destination.flatMap { key in source.map { term(UInt16(number), key: key, source: $0) } }
        case .icmp(let family, let type, let code): icmp(family, type, code)
        case .protocol(let number): whole(number)
        case .ethertype(let type):
            [term(UInt16(BH_PROTOCOL_ETHERTYPE.rawValue), key: (type ?? 0)...(type ?? 0), source: any)]
        }
    }

    private static func icmp(_ family: AddressFamily, _ type: UInt8?, _ code: UInt8?) -> [bh_reader_service] {
        let types: ClosedRange<UInt8> = type.map { $0...$0 } ?? 0...255
        let low = UInt16(types.lowerBound) << 8 | UInt16(code ?? 0)
        let high = UInt16(types.upperBound) << 8 | UInt16(code ?? 255)
        return [term(family == .v4 ? 1 : 58, key: low...high, source: any)]
    }

    /// Every packet of a protocol: also ICMP in the other family's packets, which has an index of its own, and a header
    /// of that number on the way to another.
    private static func whole(_ number: UInt8) -> [bh_reader_service] {
        var result = [term(UInt16(number), key: any, source: any)]
        if number == 1 { result.append(term(UInt16(BH_PROTOCOL_ICMP_IN_IPV6.rawValue), key: any, source: any)) }
        if number == 58 { result.append(term(UInt16(BH_PROTOCOL_ICMPV6_IN_IPV4.rawValue), key: any, source: any)) }
        if let index = WalkedHeaders.numbers.firstIndex(of: number) {
            var walked = nothing
            walked.headers = 1 << UInt16(index)
            result.append(walked)
        }
        return result
    }

    private static func term(
        _ number: UInt16, key: ClosedRange<UInt16>, source: ClosedRange<UInt16>
    ) -> bh_reader_service {
        var term = bh_reader_service()
        term.protocol = number
        term.key = key.lowerBound
        term.key_span = key.upperBound - key.lowerBound
        term.source = source.lowerBound
        term.source_span = source.upperBound - source.lowerBound
        return term
    }
}
