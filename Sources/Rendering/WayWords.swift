// SPDX-License-Identifier: Apache-2.0
import Control
import Host

/// What is said of a way besides what its ports say.
struct WayWords {
    let names: DeviceNaming

    /// How it ends.
    func end(_ end: Way.End) -> String {
        switch end {
        case .delivered(let namespace): "delivered\(place(namespace))"
        case .leaves(let device): "leaves by \(name(device))"
        case .stopped(let stop): words(stop)
        case .passesBy(let device): "does not come here: both ends are beyond \(name(device))"
        case .unknown(let why): "cannot be told: \(why)"
        }
    }

    /// A word for machines.
    func kind(_ end: Way.End) -> String {
        switch end {
        case .delivered: "delivered"
        case .leaves: "leaves"
        case .stopped: "stopped"
        case .passesBy: "passes-by"
        case .unknown: "unknown"
        }
    }

    func assumption(_ assumption: Way.Assumption) -> String {
        switch assumption {
        case .nextHop(let count, let device):
            "by \(name(device)), one of \(count) next hops: the kernel chooses by a hash"
        case .bondMember(let device): "by \(name(device)), one of the members of its bond"
        case .member(let address, let device):
            "by \(name(device)): no table says where \(address) is, so the bridge sends it to every member"
        case .bound(let address, let device): "\(address) is behind \(name(device)), where the policy binds it"
        case .gateway(let address?): "the sender is out of sight; this is its way if its gateway is \(address)"
        case .gateway(nil): "the sender is out of sight; this is its way if its gateway is this host"
        case .returned(let address, let device):
            "what is beyond \(name(device)) may send it back to this host, which has a route to \(address)"
        case .entrance(let address, let device): "\(address) comes in by \(name(device)), where the route back leads"
        case .addressed(let address):
            "it may come in where \(address) belongs, though the route back leads elsewhere"
        case .anyEntrance(let address, let device):
            "\(address) may come in by \(name(device)): nothing says for certain where it is"
        case .claimed(let address, let namespace):
            "\(address) is an address of network namespace \(names.namespaces[namespace] ?? "\(namespace)"): "
                + "root there can take any"
        case .cut(let what, let namespace):
            "there are more \(what)\(place(namespace)) than are read: it may go elsewhere"
        }
    }

    func name(_ device: DeviceID) -> String {
        (names.devices[device] ?? "device \(device.index)") + place(device.namespace)
    }

    private func place(_ namespace: UInt64) -> String { names.namespaces[namespace].map { " in \($0)" } ?? "" }

    private func words(_ stop: Way.Stop) -> String {
        switch stop {
        case .noRoute(let namespace, let word): "the kernel has no route\(place(namespace)): \(word)"
        case .forwardingIsOff(let device):
            "the kernel does not forward what comes in by \(name(device)): ip_forward is off"
        case .sourceIsRefused(let device):
            "the kernel refuses the source at \(name(device)): the route back leads elsewhere (rp_filter)"
        case .deviceIsDown(let device): "\(name(device)) is down"
        case .nobodyAnswers(let address, let device): "nobody on \(name(device)) has \(address)"
        case .isForAnother(let device): "the frame is for another MAC address than that of \(name(device))"
        case .tagIsNotTaken(let device, let tag): "no VLAN device of \(name(device)) takes tag \(tag)"
        case .memberIsNotForwarding(let device): "\(name(device)) is not forwarding"
        case .membersAreIsolated(let one, let other): "\(name(one)) and \(name(other)) are isolated from each other"
        case .turnsBack(let device): "the bridge does not send it back by \(name(device)), which it came by"
        case .memberIsNotInVLAN(let device, let tag?): "\(name(device)) is not in VLAN \(tag)"
        case .memberIsNotInVLAN(let device, nil): "\(name(device)) has no VLAN for frames without a tag"
        case .circle: "it is sent round in a circle"
        }
    }
}
