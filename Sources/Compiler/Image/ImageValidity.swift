// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

extension ImageView {
    /// Throws if a table lies outside the image, or is not aligned for its elements.
    static func checkTables(_ header: bh_image_header) throws(ImageError) {
        for table in tables(of: header) {
            let size = MemoryLayout<bh_image_header>.size
            let end = UInt64(table.offset) + table.count * UInt64(table.stride)
            guard Int(table.offset) >= size, Int(table.offset) % min(table.stride, 64) == 0, end <= header.size else {
                throw ImageError(message: "the image's table of \(table.name) is misaligned or lies outside the image")
            }
        }
    }

    /// The bytes of each table up to the next one, the largest first. Partitions count together.
    package var sizes: [(name: String, bytes: Int)] {
        let all = ImageView.tables(of: tables).sorted { $0.offset < $1.offset }
        let ends = all.dropFirst().map { Int($0.offset) } + [Int(tables.size)]
        var sizes: [String: Int] = [:]
        for (table, end) in zip(all, ends) { sizes[table.name, default: 0] += end - Int(table.offset) }
        return sizes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    private struct Table {
        var name: String
        var offset: UInt32
        var count: UInt64
        var stride: Int

        init<Element>(_ name: String, _ offset: UInt32, _ count: UInt64, of type: Element.Type) {
            self.name = name
            self.offset = offset
            self.count = count
            stride = MemoryLayout<Element>.stride
        }
    }

    /// The tables of an image. A table whose size the header does not tell has its least size.
    private static func tables(of header: bh_image_header) -> [Table] {
        let contexts = UInt64(header.scope_count) * UInt64(header.vlan_count) * UInt64(header.place_states)
        let viaClasses = header.via_count > 1 ? UInt64(BH_VIA_RECORD.rawValue) + UInt64(header.port_count) : 0
        let rows = UInt64(min(header.header_class_count, UInt32(BH_HEADER_SETS))) * UInt64(header.context_count)
        let joints = rows > UInt64(UInt32.max) ? rows : rows * UInt64(header.service_count)
        let matches = UInt64(header.match_count) * UInt64(header.match_words)
        let partitions = all(header.partitions).map { partition in
            Table("cells", partition.buckets, UInt64(partition.count), of: bh_bucket.self)
        }
        return partitions + [
            Table("address roots", header.v4_root, 1 << 16, of: UInt32.self),
            Table("address nodes", header.nodes, 0, of: bh_node.self),
            Table("address values", header.values, 0, of: UInt32.self),
            Table("address classes", header.classes, UInt64(header.class_count), of: bh_address_class.self),
            Table("protocols", header.protocols, UInt64(BH_PROTOCOL_INDEX_MAX.rawValue), of: bh_protocol.self),
            Table("VLAN classes", header.vlan_classes, UInt64(BH_VLANS), of: UInt16.self),
            Table("contexts", header.contexts, contexts, of: UInt32.self),
            Table("joint classes", header.joints, joints, of: UInt32.self),
            Table("matches", header.matches, matches, of: UInt64.self),
            Table("rule lists", header.lists, 1, of: bh_list_entry.self),
            Table("pages of runs", header.run_pages, 0, of: UInt32.self),
            Table("runs", header.runs, 0, of: bh_run.self),
            Table("run values", header.run_values, 0, of: UInt32.self),
            Table("items' ranks", header.item_ranks, UInt64(header.bitmap_width) * 64, of: UInt32.self),
            Table("source bitmaps", header.source_words, 1, of: bh_bitmap_word.self),
            Table("destination bitmaps", header.destination_words, UInt64(header.bitmap_width), of: UInt64.self),
            Table(
                "joint bitmaps", header.joint_bitmaps, header.bitmap_width > 0 ? UInt64(header.joint_count) : 0,
                of: UInt32.self),
            Table("joint classes' bitmaps", header.joint_words, UInt64(header.bitmap_width), of: UInt64.self),
            Table("conditions", header.conditions, UInt64(header.condition_count), of: bh_condition.self),
            Table("dynamic groups", header.groups, UInt64(header.group_count), of: bh_group.self),
            Table("additions", header.additions, 0, of: bh_addition.self),
            Table("counts of connections", header.connections, 0, of: bh_connections.self),
            Table("chains", header.chains, 0, of: UInt32.self),
            Table("rules that never match", header.covered, UInt64(header.covered_count), of: bh_covered.self),
            Table("rules", header.rules, UInt64(header.rule_count), of: bh_rule.self),
            Table("notes", header.notes, UInt64(header.note_count), of: bh_note.self),
            Table("layers", header.layers, UInt64(header.layer_count), of: bh_layer.self),
            Table("ports", header.ports, UInt64(header.port_count), of: bh_port.self),
            Table("selectors", header.selectors, UInt64(header.selector_count), of: bh_selector.self),
            Table("strings", header.strings, UInt64(header.strings_size), of: UInt8.self),
            Table("files", header.files, UInt64(header.file_count), of: bh_file.self),
            Table("origins", header.via_classes, viaClasses, of: UInt16.self),
            Table("links", header.links, header.via_count > 1 ? UInt64(BH_LINKS) : 0, of: UInt16.self),
            Table("device ports", header.device_ports, UInt64(BH_DEVICES_MAX), of: UInt16.self),
            Table("devices", header.devices, UInt64(BH_DEVICES_MAX), of: bh_device.self),
        ]
    }

    /// The header's partitions as an array.
    package static func all(
        _ partitions: (
            bh_partition, bh_partition, bh_partition, bh_partition, bh_partition, bh_partition, bh_partition,
            bh_partition, bh_partition
        )
    ) -> [bh_partition] {
        [
            partitions.0, partitions.1, partitions.2, partitions.3, partitions.4, partitions.5, partitions.6,
            partitions.7, partitions.8,
        ]
    }
}
