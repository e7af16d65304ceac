// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Glibc
import Libbpf

/// The programs that ask a shadow's policy, and their maps. No pin holds any of it: when this value ends, or the
/// process, the kernel takes the programs out of the way of packets and frees it all.
package final class ShadowPrograms {
    /// A main program that one of these can stand behind.
    package enum Place: CaseIterable {
        case tcIngress
        case tcEgress
        case xdp
        case xdpGeneric

        fileprivate var object: EmbeddedObject {
            self == .tcIngress || self == .tcEgress ? Programs.shadowTC : Programs.shadowXDP
        }

        fileprivate var program: String {
            switch self {
            case .tcIngress: "shadow_tc_ingress"
            case .tcEgress: "shadow_tc_egress"
            case .xdp: "shadow_xdp"
            case .xdpGeneric: "shadow_xdp_generic"
            }
        }

        /// The main program's map that holds it, as the kernel calls it.
        fileprivate var call: String {
            String((self == .xdpGeneric ? "generic_shadow_call" : "shadow_call").prefix(15))
        }

        package init(_ hook: HookName) {
            switch hook {
            case .xdp: self = .xdp
            case .tcIngress: self = .tcIngress
            case .tcEgress: self = .tcEgress
            }
        }
    }

    /// A map of a shadow; the raw value is its name in the objects.
    package enum MapName: String, CaseIterable {
        case slots = "shadow_slots"
        case scratch = "shadow_scratch"
        case lease = "shadow_lease"
        case counts = "shadow_counts"
        case totals = "shadow_totals"
        case buckets = "shadow_buckets"
        case ring = "shadow_ring"
    }

    private let instanceMaps: InstanceMaps
    private let settings: bh_settings
    private var maps: [MapName: Map] = [:]
    private var standing: [StandingProgram] = []

    /// Makes the maps.
    package init(_ instanceMaps: InstanceMaps, _ settings: bh_settings) throws(BPFError) {
        self.instanceMaps = instanceMaps
        self.settings = settings
        let object = try Object(Programs.shadowTC.bytes, name: Programs.shadowTC.name)
        object.select(programs: [])
        try instanceMaps.share(with: object)
        let loaded = try object.load()
        for name in MapName.allCases { maps[name] = try loaded.map(name.rawValue) }
    }

    deinit { remove() }

    package subscript(name: MapName) -> Map {
        guard let map = maps[name] else { preconditionFailure("map '\(name.rawValue)' was never made") }
        return map
    }

    /// Sets the policy that is asked.
    package func use(_ image: Map) throws(BPFError) { try self[.slots].update(0, to: image) }

    /// Loads the program for a place, and puts it behind a main program.
    package func stand(behind main: borrowing Program, at place: Place) throws(BPFError) {
        guard let call = try main.maps.first(where: { $0.info.name == place.call }) else {
            throw BPFError("find the place for a shadow in", main.name, errno: ENOENT)
        }
        let object = try Object(place.object.bytes, name: place.object.name)
        object.select(programs: [place.program])
        try object.setReadOnlyData(settings)
        try instanceMaps.share(with: object)
        for name in MapName.allCases { try object.reuse(self[name], as: name.rawValue) }
        let program = StandingProgram(try object.load().program(place.program), in: call)
        try program.put()
        standing.append(program)
    }

    /// Puts programs back that were taken out. The kernel empties an array on a worker of its own, some time after its
    /// last descriptor was closed: an earlier shadow's end may come when this one is there already.
    ///
    /// - Returns: whether one was out.
    package func putBack() throws(BPFError) -> Bool {
        var found = false
        for program in standing where try !program.isThere {
            try program.put()
            found = true
        }
        return found
    }

    /// Takes the programs out of the way.
    package func remove() {
        for program in standing { program.takeOut() }
        standing = []
    }

    // MARK: What they say

    /// Packets that were compared, and what became of those that changed.
    package func counts() throws(BPFError) -> ShadowCounts {
        try self[.counts].lookupPerCPU(0, as: bh_shadow_counts.self).reduce(into: ShadowCounts()) { $0.add($1) }
    }

    /// Packets and bytes by what the two policies say.
    package func totals() throws(BPFError) -> [(pair: bh_shadow_pair, total: bh_shadow_total)] {
        let map = try KeyedMap<bh_shadow_pair, bh_shadow_total>(self[.totals])
        return try map.entries(after: nil, limit: Int(BH_SHADOW_PAIRS)).map { ($0.key, $0.value) }
    }
}

/// A program, and the main program's array in which it stands. The kernel empties that after its last descriptor was
/// closed.
private final class StandingProgram {
    private let program: Program
    private let call: Map

    init(_ program: consuming Program, in call: Map) {
        self.program = program
        self.call = call
    }

    func put() throws(BPFError) { try call.update(0, to: program) }

    var isThere: Bool {
        get throws(BPFError) { try call.lookup(0, as: UInt32.self) != nil }
    }

    func takeOut() { try? call.delete(0) }
}

/// How many wire packets a shadow saw.
public struct ShadowCounts: Sendable, Hashable {
    public var compared: UInt64 = 0
    public var changed: UInt64 = 0
    /// Of those that changed: streamed.
    public var emitted: UInt64 = 0
    /// Of those that changed: to be streamed, but there was no room.
    public var lost: UInt64 = 0
    /// Of those that changed: counted in no total of their own, because there are too many.
    public var unlisted: UInt64 = 0

    /// Of those that changed: left out of the stream, which is a sample where many come at once.
    public var suppressed: UInt64 { changed - min(changed, emitted + lost) }

    mutating func add(_ raw: bh_shadow_counts) {
        compared += raw.compared
        changed += raw.changed
        emitted += raw.emitted
        lost += raw.lost
        unlisted += raw.unlisted
    }
}
