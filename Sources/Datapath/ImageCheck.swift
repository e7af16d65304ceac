import CDatapathABI

extension bh_image_header {
    /// The name of a table that does not lie inside the image; nil where all do. The programs mask every address, so a bad image
    /// cannot harm the kernel; but it would be judged by bytes that are no table.
    var strayTable: String? {
        let tables: [(name: String, offset: UInt32, bytes: UInt64)] = [
            ("v4_root", v4_root, 65536 * 4), ("nodes", nodes, 0), ("values", values, 0),
            ("classes", classes, UInt64(class_count) * 32),
            ("protocols", protocols, UInt64(BH_PROTOCOL_INDEX_MAX.rawValue) * 32),
            ("vlan_classes", vlan_classes, UInt64(BH_VLANS) * 2),
            ("contexts", contexts, product(scope_count, vlan_count, 4)),
            ("joints", joints, product(context_count, service_count, 4 * UInt64(header_class_count))),
            ("matches", matches, product(match_count, match_words, 8)), ("lists", lists, 0), ("runs", runs, 0),
            ("run_values", run_values, 0), ("conditions", conditions, UInt64(condition_count) * 64),
            ("chains", chains, 0), ("groups", groups, UInt64(group_count) * 32),
            ("rules", rules, UInt64(rule_count) * 32),
            ("ports", ports, UInt64(port_count) * 64), ("strings", strings, UInt64(strings_size)),
            ("files", files, UInt64(file_count) * 16),
        ]
        for table in tables where UInt64(table.offset) + table.bytes > size { return table.name }
        let partitions = [
            partitions.0, partitions.1, partitions.2, partitions.3, partitions.4, partitions.5, partitions.6,
            partitions.7, partitions.8,
        ]
        for partition in partitions {
            let count = UInt64(partition.mask) + 1
            guard count.nonzeroBitCount == 1, UInt64(partition.buckets) + count * 64 <= size else {
                return "partitions"
            }
        }
        return nil
    }

    /// Saturates: a table that large does not lie inside anything.
    private func product(_ rows: UInt32, _ columns: UInt32, _ bytes: UInt64) -> UInt64 {
        let (result, overflow) = (UInt64(rows) * UInt64(columns)).multipliedReportingOverflow(by: bytes)
        return overflow || result > UInt64(UInt32.max) << 8 ? UInt64(UInt32.max) << 8 : result
    }
}
