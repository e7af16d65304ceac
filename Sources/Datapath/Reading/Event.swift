// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Host
import Libbpf
import Network
import Policy
import Wire

/// One packet that the datapath dropped, or accepted and logged.
public struct Event: Sendable, Hashable {
    /// Nanoseconds since 1970, UTC.
    public var time: UInt64
    /// nil if the generation that judged it is no longer known.
    public var port: Port?
    public var direction: Direction
    public var verdict: Action
    public var reason: Reason
    /// The rule that decided, if one did.
    public var rule: ImageView.RuleRecord?
    /// The rule's line, the default's, or else the port's; column 0.
    public var source: SourceLocation?
    public var generation: UInt32
    public var packet: Packet
    /// The frame's first bytes, at most `BH_HEADER_BYTES`, without VLAN tags in metadata.
    public var header: [UInt8]
}

extension Event {
    /// - Parameters:
    ///   - clockOffset: nanoseconds to add to the monotonic clock.
    ///   - image: the image of the generation that judged the packet.
    ///   - names: what its devices are called now.
    /// - Returns: nil for a record that makes no sense.
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

extension ImageView {
    /// The rule that decided, and the line to look at: the rule's, the default's, or else the port's.
    package func source(of judgement: bh_judgement) -> (rule: RuleRecord?, location: SourceLocation?) {
        if judgement.rule != BH_NONE, let rule = rule(Int(judgement.rule)) { return (rule, rule.location) }
        let record = port(Int(judgement.port))
        let reason = Reason(judgement.reason)
        guard reason == .default || reason == .notAdmitted else { return (nil, record?.location) }
        return (nil, judgement.direction == BH_IN.rawValue ? record?.inLocation : record?.outLocation)
    }
}
