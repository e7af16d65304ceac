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
        return try counters(maps, try imageInForce(maps))
    }

    func counters(_ maps: InstanceMaps, _ image: LiveImage) throws(DatapathError) -> Counters {
        let images = try LiveImage.allPublished(in: maps)
        do {
            // Before the ports, so that all drops that they tell of are counted there.
            let values = try maps[.eventCounters].lookupPerCPU(0, as: bh_event_counters.self)
            let ports = try portCounters(maps, image)
            let removed = try removedPorts(maps, image, images)
            let dropped = ports.reduce(removed.droppedPackets) { $0 &+ $1.dropped.packets }
            return Counters(
                time: KernelClock.nanoseconds(CLOCK_REALTIME), generation: image.generation, ports: ports,
                removed: (removed.accepted, removed.dropped),
                rules: try ruleCounters(maps, image), events: Counters.Events(values, dropped: dropped),
                flows: try maps.flowTotals(scopes: image.allFlowScopes))
        } catch {
            throw DatapathError("cannot read the counters", error)
        }
    }

    /// What was counted at ports that are not in force. While a trial is not settled, some of them may be so again.
    private func removedPorts(
        _ maps: InstanceMaps, _ image: LiveImage, _ all: [LiveImage]
    ) throws(BPFError) -> RemovedPorts {
        var removed = try maps.state().removed
        let counters = try PortCounters(maps)
        var told = Set(image.devices().map(\.id))
        for other in all {
            for device in other.devices() where told.insert(device.id).inserted {
                for total in try counters.totals(device.id) { removed.add(total) }
            }
        }
        return removed
    }

    private func portCounters(
        _ maps: InstanceMaps, _ image: LiveImage
    ) throws(BPFError) -> [Counters.PortCount] {
        let counters = try PortCounters(maps)
        var result: [Counters.PortCount] = []
        for device in image.namedDevices() {
            for (direction, total) in zip(Direction.allCases, try counters.totals(device.id)) {
                result.append(
                    Counters.PortCount(
                        port: image.port(device), direction: direction, accepted: total.accepted,
                        dropped: total.dropped, drops: total.drops, accepts: total.accepts,
                        unanswered: total.unanswered))
            }
        }
        return result
    }

    private func ruleCounters(
        _ maps: InstanceMaps, _ image: LiveImage
    ) throws(BPFError) -> [Counters.RuleCount] {
        let counters = try RuleCounters(maps)
        let layers = image.view.ruleLayers
        return image.counterSlots().enumerated().map { number, rule in
            Counters.RuleCount(
                name: rule.name, count: rule.slot == BH_NONE ? Count() : counters.total(rule.slot),
                layer: layers.isEmpty ? nil : layers[number])
        }
    }
}

extension Counters.Events {
    /// Sums what the CPUs have counted. What was dropped and neither emitted nor lost was suppressed.
    fileprivate init(_ values: [bh_event_counters], dropped: UInt64) {
        func sum(_ field: KeyPath<bh_event_counters, UInt64>) -> UInt64 {
            values.reduce(0) { $0 &+ $1[keyPath: field] }
        }
        let (emitted, lost) = (sum(\.emitted), sum(\.lost))
        // An apply meanwhile may have moved a removed port's drops, so that less was found than was told.
        let told = emitted &+ lost
        self.init(
            emitted: emitted, suppressed: dropped > told ? dropped - told : 0, lost: lost,
            acceptsEmitted: sum(\.accepts_emitted), acceptsSuppressed: sum(\.accepts_suppressed),
            acceptsLost: sum(\.accepts_lost), unjudged: sum(\.unjudged))
    }
}
