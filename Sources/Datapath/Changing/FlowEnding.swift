// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Host
import Libbpf

extension Instance {
    /// Ends the flows that a filter selects; returns how many. The next packet of each is judged as if there had been
    /// no connection, and none of them is adopted.
    public func endFlows(_ filter: FlowFilter) throws(DatapathError) -> Int {
        let maps = try openMaps(.programs)
        // No apply may hand a scope on meanwhile.
        let lock = try lockPublishing()
        let image = try imageInForce(maps)
        let flows = try selectedFlows(filter, maps, image)
        let ticks = image.ticksOfAdopting(after: try openTrial(maps))
        let ended = try DatapathError.naming("cannot end the flows") {
            try maps.endFlows(
                flows.map { placed in
                    // Nothing goes on from a SYN alone, and marks of a flood would fill the port's share.
                    let isFlood = placed.flow.state == .opening && placed.flow.ipProtocol == 6
                    return (placed.place, placed.tag, isFlood ? 0 : ticks[placed.flow.scope] ?? 0)
                })
        }
        _ = consume lock
        return ended
    }
}

extension LiveImage {
    /// For how many jiffies from now on a connection may be adopted, by flow scope. As bar_time() has it, and up to a
    /// second longer.
    ///
    /// - Parameter trial: That which is not settled.
    fileprivate func ticksOfAdopting(after trial: Trial?) -> [UInt16: UInt32] {
        let resumed = trial.map { $0.hasEnded && $0.base == generation ? $0.endOnMonotonicClock : 0 } ?? 0
        let now = KernelClock.nanoseconds()
        let adopt = UInt64(view.header.adopt)
        var result: [UInt16: UInt32] = [:]
        for device in devices() {
            let since = max(device.attachedAt, device.untrackedAt, resumed)
            let end = since &+ adopt &* 1_000_000_000
            guard since != 0, adopt != 0, now < end else { continue }
            let seconds = min((end - now) / 1_000_000_000 + 1, UInt64(BH_BAR_SECONDS))
            let scope = flowScope(device)
            result[scope] = max(result[scope] ?? 0, UInt32(seconds) * KernelClock.ticksPerSecond)
        }
        return result
    }
}
