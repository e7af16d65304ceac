// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Libbpf
import Policy

/// A policy's image as a shadow is asked: at the devices that are filtered now, with the counters, groups and flows of
/// the policy in force where names are the same. Nothing of the instance is taken for it.
struct ShadowImage {
    let generation: Generation
    let view: ImageView
    /// Ports of the shadow's policy that are not filtered now, so that nothing is known of their packets.
    private(set) var unseen: [String] = []
    /// Ports in force that the shadow's policy does not have: what is dropped there would pass.
    private(set) var dropped: [String] = []

    /// The generation of a policy that is in force nowhere.
    static let number = UInt32.max

    init(_ image: Image, _ bindings: [PortBinding], asked live: LiveImage) throws(DatapathError) {
        view = try ImageView(ofPolicy: image.bytes)
        var generation = Generation(image.bytes, view, number: ShadowImage.number, loadedAt: 0)
        let counters = SlotAllotment(
            names: view.ruleCounters.map(\.name), old: live.counterSlots(), capacity: Int(BH_RULES_MAX),
            keepsAll: true)
        generation.setCounters(counters.slots)
        generation.setClock(secret: live.view.header.secret)
        let groups = Dictionary(live.groupSlots().map { ($0.name, $0.slot) }) { first, _ in first }
        // A group that is not in force has no members.
        generation.setGroupSlots(view.groups.map { groups[$0.name] ?? BH_NONE })
        let scopes = FlowScopeAllotment(entries: bindings.hostEntries, old: live.flowScopes(), keepsAll: true)
        generation.setFlowScopes(scopes.scopes, view)
        let requests = bindings.map { DeviceAllotment.Request($0, image: image) }
        let wanted = Dictionary(requests.map { ($0.identity, $0) }) { first, _ in first }
        var devices: [DeviceRecord] = []
        for device in live.devices() where device.mode != nil {
            guard let request = wanted[device.identity] else {
                dropped.append(live.portName(device))
                continue
            }
            devices.append(DeviceRecord(request, id: device.id, mode: device.mode))
        }
        generation.setDevices(devices)
        let seen = Set(devices.map(\.identity))
        unseen = requests.filter { !seen.contains($0.identity) }.map(\.port.name)
        self.generation = generation
    }
}
