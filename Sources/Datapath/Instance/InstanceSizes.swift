// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Libbpf

/// How much kernel memory an instance's maps take, worked out from the sizes that they are made with.
package struct InstanceSizes {
    /// Bytes that all CPUs share.
    package private(set) var shared = 0
    /// Bytes that each possible CPU has for itself.
    package private(set) var perCPU = 0
    private let cpus: Int

    /// Without the policy image, and without what is added as it is needed: members of groups, the rings of readers.
    package init(cpus: Int, ports: Int, rules: Int) throws(BPFError) {
        self.cpus = cpus
        for map in try Object(Programs.tc.bytes, name: Programs.tc.name).maps { add(map) }
        perCPU += Int(AnswerTable.all(AnswerTable.blocks(cpus: cpus))) * size(of: MapName.verdicts)
        // Devices count from 1.
        let chunks = ports / Int(BH_PORT_CHUNK) + 1
        perCPU += chunks * Int(BH_PORT_CHUNK) * Int(BH_DIRECTION_MAX.rawValue) * MemoryLayout<bh_port_counters>.size
        let pages = (rules + Int(BH_RULE_PAGE) - 1) / Int(BH_RULE_PAGE)
        perCPU += pages * Int(BH_RULE_PAGE) * MemoryLayout<bh_count>.size
    }

    package var total: Int { shared + cpus * perCPU }

    private var definitions: [String: Int] = [:]

    private func size(of name: MapName) -> Int { definitions[name.rawValue] ?? 0 }

    private mutating func add(_ map: MapDefinition) {
        let value = (Int(map.valueSize) + 7) / 8 * 8
        definitions[map.name] = value
        // It has entries for each CPU, so its own figure is not what the object says.
        guard map.name != MapName.verdicts.rawValue else { return }
        switch map.type {
        case BPF_MAP_TYPE_PERCPU_ARRAY.rawValue: perCPU += value * Int(map.maxEntries)
        case BPF_MAP_TYPE_ARRAY.rawValue, BPF_MAP_TYPE_ARRAY_OF_MAPS.rawValue, BPF_MAP_TYPE_PROG_ARRAY.rawValue:
            shared += max(value, 8) * Int(map.maxEntries)
        default: break
        }
    }
}
