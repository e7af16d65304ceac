// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Host
import Libbpf
import Network
import Wire

extension InstanceMaps {
    /// The flows in these buckets that have not expired at `now`, in jiffies.
    package func flows(inBuckets buckets: some Sequence<UInt32>, at now: UInt32) throws(BPFError) -> [Flow] {
        try placedFlows(inBuckets: buckets, at: now).map(\.flow)
    }

    /// The same, each with its place in the table.
    func placedFlows(inBuckets buckets: some Sequence<UInt32>, at now: UInt32) throws(BPFError) -> [PlacedFlow] {
        var result: [PlacedFlow] = []
        for bucket in buckets {
            let tags = try self[.flowBuckets].lookup(bucket, as: bh_flow_bucket.self)?.allTags ?? []
            guard tags.contains(where: { $0 != 0 }),
                let held = try self[.flows].lookup(bucket, as: bh_flow_ways.self)
            else { continue }
            for (way, (tag, flow)) in zip(tags, held.all).enumerated() where tag != 0 {
                guard let flow = Flow(flow, now: now), flow.idleSeconds <= flow.timeoutSeconds else { continue }
                let place = bucket * UInt32(BH_FLOW_WAYS) + UInt32(way)
                result.append(PlacedFlow(flow: flow, place: place, tag: tag))
            }
        }
        return result
    }

    /// The flow table's figures; `used` counts the places of these scopes.
    package func flowTotals(scopes: some Sequence<UInt16>) throws(BPFError) -> FlowTotals {
        var totals = FlowTotals()
        totals.capacity = UInt64(BH_FLOWS_MAX)
        for scope in scopes {
            let state = try self[.flowScopes].lookup(UInt32(scope), as: bh_flow_scope.self)
            // A count below zero counts as 0, see take_place().
            totals.used += UInt64(max(Int32(bitPattern: state?.flows ?? 0), 0))
        }
        for value in try self[.flowTotals].lookupPerCPU(0, as: bh_flow_totals.self) {
            totals.opened &+= value.opened
            totals.adopted &+= value.adopted
            totals.expired &+= value.expired
            totals.evicted &+= value.evicted
            totals.refused &+= value.refused
            totals.ended &+= value.ended
        }
        return totals
    }
}

/// A flow, and where the kernel keeps it.
struct PlacedFlow: Sendable, Hashable {
    var flow: Flow
    var place: UInt32
    /// What the place has for as long as the flow is there.
    var tag: UInt32
}

extension Instance {
    /// The flows of the policy in force that a filter selects, in their order, and the rule that accepted each.
    public func flows(_ filter: FlowFilter = FlowFilter()) throws(DatapathError) -> [ListedFlow] {
        let maps = try openMaps(.programs)
        let image = try imageInForce(maps)
        let names = image.scopeNames
        let rules = Dictionary(image.counterSlots().map { ($1, $0) }) { first, _ in first }
        return try selectedFlows(filter, maps, image).compactMap { placed in
            names[placed.flow.scope].map { ListedFlow(port: $0, rule: rules[placed.flow.counter], flow: placed.flow) }
        }.sorted(by: <)
    }

    /// Whether a filter names ports that there are.
    public func checkFlows(_ filter: FlowFilter) throws(DatapathError) {
        _ = try filter.scopes(in: try imageInForce(try openMaps(.programs)))
    }

    /// The flows that a filter selects, in no order.
    func selectedFlows(
        _ filter: FlowFilter, _ maps: InstanceMaps, _ image: LiveImage
    ) throws(DatapathError) -> [PlacedFlow] {
        let scopes = try filter.scopes(in: image)
        do throws(BPFError) {
            return try maps.placedFlows(inBuckets: 0..<UInt32(BH_FLOW_PLACES), at: try maps.jiffies()).filter {
                scopes.contains($0.flow.scope) && filter.selects($0.flow)
            }
        } catch {
            throw DatapathError("cannot read the flows", error)
        }
    }
}

extension LiveImage {
    /// Every scope of this generation's flows.
    package var allFlowScopes: Set<UInt16> { Set(flowScopes().map(\.scope) + devices().map(\.id)) }

    /// What the port is called whose flows a scope has: a host entry, or a device's port.
    var scopeNames: [UInt16: String] {
        let devices = devices().map { ($0.id, portName($0)) }
        return Dictionary(flowScopes().map { ($1, $0) } + devices) { first, _ in first }
    }
}

extension Flow {
    fileprivate init?(_ raw: bh_flow, now: UInt32) {
        guard let state = State(raw.state) else { return nil }
        let isV6 = raw.key.family == 6
        func address(_ high: UInt64, _ low: UInt64) -> IPAddress {
            isV6
                ? IPAddress(v6: UInt128(high) << 64 | UInt128(low))
                : IPAddress(v4: UInt32(truncatingIfNeeded: low))
        }
        let first = (address(raw.key.first_high, raw.key.first_low), raw.key.first_port)
        let second = (address(raw.key.second_high, raw.key.second_low), raw.key.second_port)
        let (opener, answerer) = raw.opener_is_first != 0 ? (first, second) : (second, first)
        let isEcho = raw.key.protocol == (isV6 ? 58 : 1)
        // A flow that was seen since `now` was read is not idle.
        let ticks = max(Int32(bitPattern: now &- raw.seen), 0)
        self.init(
            scope: raw.key.scope, ipProtocol: raw.key.protocol, source: opener.0, destination: answerer.0,
            // The other end of an echo has no identifier of its own.
            sourcePort: opener.1, destinationPort: isEcho ? opener.1 : answerer.1, vlan: raw.key.outer_vlan,
            direction: raw.direction == UInt8(BH_IN.rawValue) ? .in : .out, state: state,
            isAdopted: raw.flags & UInt16(BH_FLOW_ADOPTED.rawValue) != 0,
            idleSeconds: Int(ticks) / Int(KernelClock.ticksPerSecond),
            timeoutSeconds: Int(raw.timeout) / Int(KernelClock.ticksPerSecond), counter: raw.counter,
            headers: WalkedHeaders.numbers(ofSet: raw.headers))
    }
}

extension bh_flow_bucket {
    fileprivate var allTags: [UInt32] { [tags.0, tags.1, tags.2, tags.3, tags.4, tags.5, tags.6, tags.7] }

    /// The scopes whose flows it holds.
    package var owners: [UInt16] {
        [scopes.0, scopes.1, scopes.2, scopes.3, scopes.4, scopes.5, scopes.6, scopes.7].filter { $0 != 0 }
    }
}

extension bh_flow_ways {
    fileprivate var all: [bh_flow] {
        [flows.0, flows.1, flows.2, flows.3, flows.4, flows.5, flows.6, flows.7]
    }
}
