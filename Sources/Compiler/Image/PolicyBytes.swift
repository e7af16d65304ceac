// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

extension ImageView {
    /// The image as it was compiled: its bytes, with the host's part zero but for the offsets of the host's tables.
    /// nil if they do not have the hash that the header says, so that nothing is built on a damaged image.
    package var policyBytes: [UInt8]? {
        var bytes = self.bytes.bytes(0..<Int(tables.size))
        let expected = sha256
        clearHostTables(in: &bytes)
        var header = tables
        header.clearHostPart()
        header.clearHash()
        (header.device_ports, header.devices) = (0, 0)
        ImageView.store(header, in: &bytes, at: 0)
        guard SHA256.digest(of: bytes) == expected else { return nil }
        header = tables
        header.clearHostPart()
        ImageView.store(header, in: &bytes, at: 0)
        return bytes
    }

    /// Zeroes the host's tables, and the host's fields in the compiler's tables.
    private func clearHostTables(in bytes: inout [UInt8]) {
        let ports = MemoryLayout<UInt16>.stride * Int(BH_DEVICES_MAX)
        let devices = MemoryLayout<bh_device>.stride * Int(BH_DEVICES_MAX)
        let links = tables.via_count > 1 ? MemoryLayout<UInt16>.stride * Int(BH_LINKS) : 0
        for (table, count) in [(tables.device_ports, ports), (tables.devices, devices), (tables.links, links)] {
            let range = Int(table)..<Int(table) + count
            unsafe bytes.withUnsafeMutableBytes {
                unsafe ImageView.clear(UnsafeMutableRawBufferPointer(rebasing: $0[range]))
            }
        }
        clear(\bh_rule.counter, of: tables.rules, rankCount, in: &bytes)
        clear(\bh_condition.slot, of: tables.conditions, conditionCount, in: &bytes)
        clear(\bh_group.slot, of: tables.groups, groupCount, in: &bytes)
        clear(\bh_port.flow_scope, of: tables.ports, portCount, in: &bytes)
    }

    fileprivate static func clear(_ bytes: UnsafeMutableRawBufferPointer) {
        for index in bytes.indices { unsafe bytes[index] = 0 }
    }

    private func clear<Record, Field: FixedWidthInteger & BitwiseCopyable>(
        _ field: KeyPath<Record, Field>, of table: UInt32, _ count: Int, in bytes: inout [UInt8]
    ) {
        guard let offset = MemoryLayout<Record>.offset(of: field) else { return }
        for index in 0..<count {
            ImageView.store(Field.zero, in: &bytes, at: Int(table) + index * MemoryLayout<Record>.stride + offset)
        }
    }

    @inline(__always)
    private static func store<Value: BitwiseCopyable>(_ value: Value, in bytes: inout [UInt8], at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= bytes.count)
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.storeBytes(of: value, toByteOffset: offset, as: Value.self) }
    }

    /// All elements of a table.
    func elements<Element: BitwiseCopyable>(_ type: Element.Type, of table: UInt32, _ count: Int) -> [Element] {
        (0..<count).compactMap { element(type, of: table, $0) }
    }
}

extension bh_image_header {
    mutating func clearHash() { unsafe withUnsafeMutableBytes(of: &sha256) { unsafe ImageView.clear($0) } }

    /// Zeroes the host's part, but for the offsets of the host's tables, which the compiler sets.
    mutating func clearHostPart() {
        (generation, device_count, loaded_at, wall_offset, secret, boot_offset) = (0, 0, 0, 0, 0, 0)
        (epoch, before, compiler) = (0, 0, 0)
    }
}
