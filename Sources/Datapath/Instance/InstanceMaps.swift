// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Compiler
import Host
import Libbpf

/// What the instance remembers besides the policy: value of its own pinned map `instance`, which no program reads.
package struct InstanceState: BitwiseCopyable {
    /// The last generation number that was given out; none is used twice.
    package var generation: UInt64 = 0
    /// SHA-256 of the objects whose programs are loaded.
    package var programs: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    package var removed = RemovedPorts()
    /// Of the hash of flows; as old as the flow table.
    package var flowSecret: (UInt64, UInt64) = (0, 0)
    /// Of the answers to rejected packets; 0 where it was not drawn yet.
    package var answerMark: UInt32 = 0
    package var pad: UInt32 = 0
}

extension bh_settings {
    /// Those of an instance's programs.
    package init(_ state: InstanceState) {
        self.init(
            ticks_per_second: KernelClock.ticksPerSecond, answer_mark: state.answerMark,
            answer_cost: UInt32(BH_ANSWER_COST), answers_all: 0, flow_secret: state.flowSecret,
            simulates: 0, reads_kernel: KernelReading.obstacle == nil ? 1 : 0,
            casts_context: KernelFunctions.castsContext, pad: 0)
    }

    /// Of programs that are attached to nothing: the same in every run, without a limit to answers, at the time that
    /// they are told.
    package static let simulated = bh_settings(
        ticks_per_second: KernelClock.ticksPerSecond, answer_mark: .max, answer_cost: 0, answers_all: 1,
        flow_secret: (0, 0), simulates: 1, reads_kernel: 0, casts_context: KernelFunctions.castsContext, pad: 0)
}

/// A map of an instance, named as its pin is.
package enum MapName: String, CaseIterable {
    case slots
    case scratch
    case portCounters = "port_counters"
    case ruleCounters = "rule_counters"
    case eventCounters = "event_counters"
    case rings
    case readers
    case buckets
    case answers
    case flows
    case flowBuckets = "flow_buckets"
    case flowHints = "flow_hints"
    case flowScopes = "flow_scopes"
    case flowTotals = "flow_totals"
    case verdictsV4 = "verdicts_v4"
    case verdictsV6 = "verdicts_v6"
    case fragments
    case limits
    case sources
    case groups
    case ownAddresses = "own_addresses"
    case localMemos = "local_memos"
    case localSearches = "local_searches"
    case tcPrograms = "tc_programs"
    case xdpPrograms = "xdp_programs"
    case genericPrograms = "generic_programs"
    /// The controller's own, see ``InstanceState``.
    case instance
    /// The names of ports that are cut off; the controller's own too.
    case quarantine

    /// Those that the programs use.
    package static let ofPrograms = allCases.filter { $0 != .instance && $0 != .quarantine }
}

/// The maps of an instance, held open.
package struct InstanceMaps: Sendable {
    private let maps: [MapName: Map]

    /// - Parameter open: Called for each map once.
    package init(_ open: (MapName) throws(BPFError) -> Map) throws(BPFError) {
        var maps: [MapName: Map] = [:]
        for name in MapName.allCases { maps[name] = try open(name) }
        self.maps = maps
    }

    package subscript(name: MapName) -> Map {
        guard let map = maps[name] else { preconditionFailure("map '\(name.rawValue)' was never opened") }
        return map
    }

    /// Opens the pinned maps of an instance; nil where there is none, or only a part of one.
    package static func open(_ folder: PinFolder) throws(DatapathError) -> InstanceMaps? {
        let present = Set(try folder.names)
        guard MapName.allCases.allSatisfy({ present.contains($0.rawValue) }) else { return nil }
        do {
            return try InstanceMaps { name throws(BPFError) in
                try Map(pinnedAt: folder / name.rawValue, name: name.rawValue)
            }
        } catch {
            throw DatapathError("cannot open the instance's maps", error)
        }
    }

    /// Bytes of kernel memory that the maps take, the policy image not among them.
    package var memory: Int { maps.values.reduce(0) { $0 + $1.memory } }

    package func state() throws(BPFError) -> InstanceState {
        try self[.instance].lookup(0, as: InstanceState.self) ?? InstanceState()
    }

    /// What the instance's programs are loaded with. Its secrets are drawn when they are first asked for.
    package func settings() throws(BPFError) -> bh_settings {
        var state = try state()
        if state.answerMark == 0 {
            state.flowSecret = (.random(in: 0 ... .max), .random(in: 0 ... .max))
            state.answerMark = .random(in: 1 ... .max)
            try self[.instance].update(0, to: state)
        }
        return bh_settings(state)
    }

    /// The names of ports that are cut off.
    package var quarantine: NameSet { NameSet(self[.quarantine]) }

    /// Lets an object that is about to be loaded use these maps.
    package func share(with object: borrowing Object) throws(BPFError) {
        for name in MapName.ofPrograms { try object.reuse(self[name], as: name.rawValue) }
    }
}

/// The BPF objects of this build.
package enum Programs {
    package static let entry = EmbeddedObject.entry
    package static let tc = EmbeddedObject.tc
    package static let xdp = EmbeddedObject.xdp
    package static let unattached = EmbeddedObject.unattached

    /// SHA-256 of all of them.
    package static let hash: (UInt64, UInt64, UInt64, UInt64) = {
        var hash = SHA256()
        for object in [entry, tc, xdp, unattached] { hash.update(object.bytes) }
        return unsafe hash.digest().withUnsafeBytes {
            unsafe $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
        }
    }()
}
