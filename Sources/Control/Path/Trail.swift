// SPDX-License-Identifier: Apache-2.0
import Host
import Network

/// A way as far as it was followed, and the frame there.
struct Trail {
    var steps: [Way.Step] = []
    var assumptions: [Way.Assumption] = []
    var vlan: UInt16?
    var sourceMAC: MACAddress?
    var destinationMAC: MACAddress?
    /// Whom the frame is for; nil: only its sender, who is out of sight, knows.
    var nextHop: IPAddress?
    /// Whether it is for whoever gets it.
    var isForReceiver = false

    /// More steps than this are a circle: so many hops a packet does not survive.
    private static let limit = 200

    var isTooLong: Bool { steps.count > Trail.limit }

    func ended(_ end: Way.End) -> [Way] { [Way(steps: steps, end: end, assumptions: assumptions)] }

    func stopped(_ stop: Way.Stop) -> [Way] { ended(.stopped(stop)) }

    func with(_ step: Way.Step) -> Trail {
        var trail = self
        trail.steps.append(step)
        return trail
    }

    func assuming(_ assumption: Way.Assumption) -> Trail {
        var trail = self
        if !trail.assumptions.contains(assumption) { trail.assumptions.append(assumption) }
        return trail
    }

    func tagged(_ vlan: UInt16?) -> Trail {
        var trail = self
        trail.vlan = vlan
        return trail
    }

    func forNextHop(_ nextHop: IPAddress) -> Trail {
        var trail = self
        trail.nextHop = nextHop
        return trail
    }

    func forReceiver() -> Trail {
        var trail = self
        trail.isForReceiver = true
        return trail
    }

    func passing(_ device: NetworkDevice, isEgress: Bool) -> Trail {
        with(
            .passage(
                .init(
                    device: device.id, isEgress: isEgress, vlan: vlan, sourceMAC: sourceMAC,
                    destinationMAC: destinationMAC)))
    }
}
