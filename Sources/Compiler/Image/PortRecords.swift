// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// The port records of an image and their numbers: two per entry, as host and as workload, then two for each entry with
/// ports that are not admitted.
public struct PortRecords: Sendable, Hashable {
    private var entries: Int
    /// Ascending.
    private var dropUnknown: [Int]

    public init(_ ruleset: Ruleset) {
        entries = ruleset.entries.count
        dropUnknown = ruleset.entries.indices.filter { !ruleset.entries[$0].judgesUnknown }
    }

    public var count: Int { (entries + dropUnknown.count) * Int(BH_PROTECTS_MAX.rawValue) }

    /// The number of the record for a port of this entry.
    ///
    /// - Parameter unknownToDrop: See `PortBinding.isUnknownToDrop`; only an entry with `unknown: drop`, or of a guest
    ///   that is refused, has such ports.
    public func record(entry: Int, protects: Protects, unknownToDrop: Bool = false) -> Int {
        var row = entry
        if unknownToDrop, let place = dropUnknown.firstIndex(of: entry) { row = entries + place }
        return row * Int(BH_PROTECTS_MAX.rawValue) + Int(protects.number)
    }

    /// The entry and protection of every record, in order.
    var all: [(entry: Int, protects: Protects, unknownToDrop: Bool)] {
        let known = (0..<entries).map { ($0, false) }
        return (known + dropUnknown.map { ($0, true) }).flatMap { entry, unknown in
            [(entry, .host, unknown), (entry, .workload, unknown)]
        }
    }
}

extension Image {
    /// The number of the record for a port of this entry, see ``PortRecords/record(entry:protects:unknownToDrop:)``.
    public func portRecord(entry: Int, protects: Protects, unknownToDrop: Bool = false) -> Int {
        ports.record(entry: entry, protects: protects, unknownToDrop: unknownToDrop)
    }
}

extension Protects {
    /// The value of `enum bh_protects`.
    public var number: UInt32 { self == .host ? BH_HOST.rawValue : BH_WORKLOAD.rawValue }
}
