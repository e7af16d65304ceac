// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Libbpf

/// What the ports have counted: map `port_counters`, which has a map for each 64 devices, as far as devices are or were
/// in use.
struct PortCounters {
    private let chunks: [UInt32: Map]

    init(_ maps: InstanceMaps) throws(BPFError) { chunks = try maps.allInner(.portCounters) }

    /// Makes room for devices that have none. Packets count from then on.
    static func provide(_ devices: [UInt16], in maps: InstanceMaps) throws(BPFError) {
        try maps.provideInner(.portCounters, Set(devices.map(chunk))) { () throws(BPFError) in
            try Map(
                type: BPF_MAP_TYPE_PERCPU_ARRAY, name: "port_chunk",
                valueSize: UInt32(MemoryLayout<bh_port_counters>.size),
                maxEntries: UInt32(BH_PORT_CHUNK) * BH_DIRECTION_MAX.rawValue)
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
