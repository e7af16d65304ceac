// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Libbpf
import Wire

/// What the ports have counted: map `port_counters`, which has a map for each 64 devices, as far as devices are or were
/// in use.
struct PortCounters {
    private let chunks: [UInt32: Map]

    init(_ maps: InstanceMaps) throws(BPFError) { chunks = try maps.allInner(.portCounters) }

    /// Makes room for devices that have none. Packets count from then on.
    static func provide(_ devices: [UInt16], in maps: InstanceMaps) throws(BPFError) {
        for chunk in Set(devices.map(chunk)).sorted() {
            guard try maps[.portCounters].lookup(chunk, as: UInt32.self) == nil else { continue }
            try maps.setInner(
                .portCounters, chunk,
                to: try Map(
                    type: BPF_MAP_TYPE_PERCPU_ARRAY, name: "port_chunk",
                    valueSize: UInt32(MemoryLayout<bh_port_counters>.size),
                    maxEntries: UInt32(BH_PORT_CHUNK) * BH_DIRECTION_MAX.rawValue))
        }
    }

    /// What a device has counted by direction, on all CPUs.
    func totals(_ device: UInt16) throws(BPFError) -> [PortTotal] {
        let none = [PortTotal](repeating: PortTotal(), count: Int(BH_DIRECTION_MAX.rawValue))
        guard let map = chunks[PortCounters.chunk(device)] else { return none }
        let first = PortCounters.first(device)
        return try map.lookupPerCPU(first...first + 1, as: bh_port_counters.self).map { values in
            values.reduce(into: PortTotal()) { $0.add($1) }
        }
    }

    func zero(_ device: UInt16) throws(BPFError) {
        let first = PortCounters.first(device)
        try chunks[PortCounters.chunk(device)]?.zeroPerCPU([first, first + 1])
    }

    private static func chunk(_ device: UInt16) -> UInt32 { UInt32(device) / UInt32(BH_PORT_CHUNK) }

    private static func first(_ device: UInt16) -> UInt32 {
        UInt32(device) % UInt32(BH_PORT_CHUNK) * BH_DIRECTION_MAX.rawValue
    }
}

/// One port's counters in one direction, summed over CPUs.
struct PortTotal {
    /// By `enum bh_outcome`.
    private var outcomes = [Count](repeating: Count(), count: Int(BH_OUTCOME_MAX.rawValue))

    mutating func add(_ value: bh_port_counters) {
        unsafe withUnsafeBytes(of: value) { bytes in
            for index in outcomes.indices {
                outcomes[index] =
                    outcomes[index]
                    + Count(
                        unsafe bytes.load(
                            fromByteOffset: index * MemoryLayout<bh_count>.stride, as: bh_count.self))
            }
        }
    }

    var accepted: Count { PortTotal.accepting.reduce(Count()) { $0 + self[$1, accepted: true] } }
    /// Rejected packets included.
    var dropped: Count { PortTotal.dropping.reduce(Count()) { $0 + self[$1, accepted: false] } }
    /// Rejected packets that got no answer.
    var unanswered: UInt64 { outcomes[Int(BH_OUTCOME_UNANSWERED.rawValue)].packets }
    /// Reasons without packets are left out, as in ``drops``.
    var accepts: [Counters.ReasonCount] { PortTotal.accepting.compactMap { packets($0, accepted: true) } }
    var drops: [Counters.ReasonCount] { PortTotal.dropping.compactMap { packets($0, accepted: false) } }

    /// The reasons for which packets are dropped.
    private static let dropping = Reason.allCases.filter { $0.number < BH_REASON_ESTABLISHED.rawValue }
    /// Those for which they are accepted.
    private static let accepting = Reason.allCases.filter {
        [.rule, .default, .fragment].contains($0) || $0.number >= BH_REASON_ESTABLISHED.rawValue
    }

    private subscript(reason: Reason, accepted isAccepted: Bool) -> Count {
        outcomes[Int(bh_outcome(reason.number, isAccepted ? 1 : 0))]
    }

    private func packets(_ reason: Reason, accepted isAccepted: Bool) -> Counters.ReasonCount? {
        let packets = self[reason, accepted: isAccepted].packets
        return packets > 0 ? Counters.ReasonCount(reason: reason, packets: packets) : nil
    }
}
