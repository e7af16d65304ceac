// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Host
import Libbpf
import Wire

extension Instance {
    /// The counters of the ports and rules in force, summed over CPUs.
    public func counters() throws(DatapathError) -> Counters {
        let maps = try openMaps()
        let image = try imageInForce(maps)
        do {
            let removed = try maps.state().removed
            let (ports, events) = try dropsAndEvents(maps, image)
            return Counters(
                time: KernelClock.nanoseconds(CLOCK_REALTIME), generation: image.generation, ports: ports,
                removed: (removed.accepted, removed.dropped),
                rules: try ruleCounters(maps, image), events: events,
                flows: try maps.flowTotals(scopes: image.allFlowScopes))
        } catch {
            throw DatapathError("cannot read the counters", error)
        }
    }

    /// Counters of ports and events that add up: read again until no drop comes in between. If drops come faster than
    /// that, returns the last reading, whose ports also have the drops that came during it.
    private func dropsAndEvents(
        _ maps: InstanceMaps, _ image: LiveImage
    ) throws(BPFError) -> ([Counters.PortCount], Counters.Events) {
        let devices = image.namedDevices()
        var before = try eventCounters(maps)
        var ports = try portCounters(maps, image, devices)
        for _ in 0..<16 {
            let after = try eventCounters(maps)
            if after == before { break }
            before = after
            ports = try portCounters(maps, image, devices)
        }
        return (ports, before)
    }

    private func portCounters(
        _ maps: InstanceMaps, _ image: LiveImage, _ devices: [DeviceRecord]
    ) throws(BPFError) -> [Counters.PortCount] {
        var result: [Counters.PortCount] = []
        for device in devices {
            let first = UInt32(device.id) * BH_DIRECTION_MAX.rawValue
            let values = try maps[.portCounters].lookupPerCPU(first...first + 1, as: bh_port_counters.self)
            for (direction, values) in zip(Direction.allCases, values) {
                let total = values.reduce(into: PortTotal()) { $0.add($1) }
                result.append(
                    Counters.PortCount(
                        port: image.port(device), direction: direction, accepted: total.accepted,
                        dropped: total.dropped,
                        drops: total.reasons(total.drops), accepts: total.reasons(total.accepts),
                        unanswered: total.unanswered))
            }
        }
        return result
    }

    private func ruleCounters(
        _ maps: InstanceMaps, _ image: LiveImage
    ) throws(BPFError) -> [Counters.RuleCount] {
        let counters = try RuleCounters(maps)
        return image.counterSlots().map { name, slot in
            Counters.RuleCount(name: name, count: slot == BH_NONE ? Count() : counters.total(slot))
        }
    }

    private func eventCounters(_ maps: InstanceMaps) throws(BPFError) -> Counters.Events {
        let values = try maps[.eventCounters].lookupPerCPU(0, as: bh_event_counters.self)
        func sum(_ field: KeyPath<bh_event_counters, UInt64>) -> UInt64 {
            values.reduce(0) { $0 &+ $1[keyPath: field] }
        }
        return Counters.Events(
            emitted: sum(\.emitted), suppressed: sum(\.suppressed), lost: sum(\.lost),
            acceptsEmitted: sum(\.accepts_emitted), acceptsSuppressed: sum(\.accepts_suppressed),
            acceptsLost: sum(\.accepts_lost), unjudged: sum(\.unjudged))
    }
}

/// One port's counters in one direction, summed.
private struct PortTotal {
    var accepted = Count()
    var dropped = Count()
    /// Packets by value of `enum bh_reason`.
    var drops = [UInt64](repeating: 0, count: Int(BH_REASON_MAX.rawValue))
    var accepts = [UInt64](repeating: 0, count: Int(BH_REASON_MAX.rawValue))

    var unanswered: UInt64 = 0

    mutating func add(_ value: bh_port_counters) {
        unanswered &+= value.unanswered
        accepted = accepted + Count(value.accepted)
        dropped = dropped + Count(value.dropped)
        PortTotal.add(value.drop_reasons, to: &drops)
        PortTotal.add(value.accept_reasons, to: &accepts)
    }

    private static func add<Tuple: BitwiseCopyable>(_ tuple: Tuple, to totals: inout [UInt64]) {
        unsafe withUnsafeBytes(of: tuple) { bytes in
            for index in totals.indices {
                unsafe totals[index] &+= bytes.load(fromByteOffset: index * 8, as: UInt64.self)
            }
        }
    }

    func reasons(_ totals: [UInt64]) -> [Counters.ReasonCount] {
        totals.enumerated().compactMap { number, packets in
            guard packets > 0, let reason = Reason(UInt32(number)) else { return nil }
            return Counters.ReasonCount(reason: reason, packets: packets)
        }
    }
}
