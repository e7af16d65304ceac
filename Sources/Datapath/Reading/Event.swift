// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Host
import Libbpf
import Network
import Policy
import Wire

/// One packet that the datapath dropped, or accepted and logged, as it was streamed.
public struct Event: Sendable, Hashable {
    /// Nanoseconds since 1970, UTC.
    public var time: UInt64
    /// nil where the generation that judged it is not known any more.
    public var port: Port?
    public var direction: Direction
    public var verdict: Action
    public var reason: Reason
    /// The rule that decided, where one did.
    public var rule: ImageView.RuleRecord?
    /// The rule's line, the default's, or else the port's; column 0.
    public var source: SourceLocation?
    public var generation: UInt32
    public var packet: Packet
    /// The frame's first bytes, at most `BH_HEADER_BYTES`; VLAN tags in metadata are not among them.
    public var header: [UInt8]
}

extension Event {
    /// - Parameters:
    ///   - clockOffset: nanoseconds to add to the monotonic clock.
    ///   - image: the image of the generation that judged the packet.
    ///   - names: what its devices are called now.
    /// Returns nil for a record that makes no sense.
    init?(_ raw: bh_event, clockOffset: UInt64, image: LiveImage?, names: DeviceNames) {
        guard let verdict = Action(raw.judgement.verdict), let reason = Reason(raw.judgement.reason) else { return nil }
        time = raw.time &+ clockOffset
        direction = raw.judgement.direction == BH_IN.rawValue ? .in : .out
        self.verdict = verdict
        self.reason = reason
        generation = raw.judgement.generation
        packet = Packet(raw.packet)
        let captured = min(Int(raw.captured), Int(BH_HEADER_BYTES))
        header = unsafe withUnsafeBytes(of: raw.header) { unsafe Array($0.prefix(captured)) }
        guard let image else { return }
        if var device = UInt16(exactly: raw.device).flatMap({ image.device($0) }) {
            device.presentNames = names[device]
            port = image.port(device)
        }
        (rule, source) = image.view.source(of: raw.judgement)
    }
}

/// Which events a reader asks for. What it leaves out costs the kernel nothing.
public struct EventFilter: Sendable, Hashable {
    /// Entries, `entry/device`s or devices; nil: all ports.
    public var ports: Set<String>?
    /// nil: all reasons.
    public var reasons: Set<Reason>?
    public var rule: String?
    /// Only packets from or to this address.
    public var host: IPAddress?
    /// Also logged accepts.
    public var accepts: Bool

    public init(
        ports: Set<String>? = nil, reasons: Set<Reason>? = nil, rule: String? = nil, host: IPAddress? = nil,
        accepts: Bool = false
    ) {
        self.ports = ports
        self.reasons = reasons
        self.rule = rule
        self.host = host
        self.accepts = accepts
    }

    /// The names that the policy in force does not have.
    func unknownNames(in image: LiveImage) -> DatapathError? {
        let devices = image.namedDevices()
        for port in (ports ?? []).sorted() where !devices.contains(where: { image.isCalled(port, $0) }) {
            return DatapathError(
                "no port is called '\(port)'",
                advice: "'bulkhead status' lists them: "
                    + devices.map { image.portName($0) }.prefix(20).joined(separator: ", "))
        }
        if let rule, !image.counterSlots().contains(where: { $0.name == rule }) {
            return DatapathError(
                "no rule in force is called '\(rule)'", advice: "'bulkhead counters' lists them")
        }
        return nil
    }

    /// The filter in the kernel's words, without the time it expires. A port or rule that is not there any more matches
    /// nothing.
    func raw(in image: LiveImage?) -> bh_reader {
        var raw = bh_reader()
        raw.flags = BH_READER_ACTIVE.rawValue
        if accepts { raw.flags |= BH_READER_ACCEPTS.rawValue }
        raw.reasons = (reasons ?? Set(Reason.allCases)).reduce(0) { $0 | 1 << $1.number }
        if let host {
            raw.flags |= BH_READER_HOST.rawValue
            raw.host_family = UInt32(host.family.rawValue)
            raw.host_high = host.family == .v6 ? UInt64(truncatingIfNeeded: host.value >> 64) : 0
            raw.host_low = UInt64(truncatingIfNeeded: host.value)
        }
        if let rule {
            raw.flags |= BH_READER_RULE.rawValue
            let slot = image?.counterSlots().first { $0.name == rule }?.slot
            // BH_NONE is what a packet without a rule has.
            raw.rule = slot ?? BH_NONE - 1
        }
        if let ports {
            raw.flags |= BH_READER_DEVICES.rawValue
            let devices = image?.namedDevices() ?? []
            for device in devices where ports.contains(where: { image?.isCalled($0, device) ?? false }) {
                unsafe withUnsafeMutableBytes(of: &raw.devices) { bytes in
                    let bits = unsafe bytes.bindMemory(to: UInt64.self)
                    unsafe bits[Int(device.id) / 64] |= 1 << UInt64(device.id % 64)
                }
            }
        }
        return raw
    }
}

extension ImageView {
    /// The rule that decided, and the line to look at: the rule's, the default's, or else the port's.
    package func source(of judgement: bh_judgement) -> (rule: RuleRecord?, location: SourceLocation?) {
        if judgement.rule != BH_NONE, let rule = rule(Int(judgement.rule)) { return (rule, rule.location) }
        let record = port(Int(judgement.port))
        guard Reason(judgement.reason) == .default else { return (nil, record?.location) }
        return (nil, judgement.direction == BH_IN.rawValue ? record?.inLocation : record?.outLocation)
    }
}
