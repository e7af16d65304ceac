// SPDX-License-Identifier: Apache-2.0
import Host
import Libbpf
import Policy

/// What the kernel has on a device's hooks at this moment.
private struct HookReading {
    /// The programs of this instance that run there.
    var programs: [HookName: UInt32] = [:]
    /// Hooks that should have one and have none.
    var lost: [HookName] = []
    /// Whether nothing of this instance is pinned for the device: it was detached.
    var isUnpinned = false
    var ahead: [String] = []

    /// Whether every packet is judged: both tc hooks do so by themselves, whatever XDP does.
    var judges: Bool { programs[.tcIngress] != nil && programs[.tcEgress] != nil }
}

extension Instance {
    /// The state of each port of the policy in force, in the policy's order, and bridges that are covered in part.
    func portStatuses(
        _ image: LiveImage
    ) throws(DatapathError) -> (ports: [Status.PortStatus], bridges: [Status.Bridge]) {
        let devices = image.namedDevices()
        let names = Set(image.view.selectors.compactMap(\.namespace) + devices.compactMap(\.namespace))
        let inventory = try DatapathError.of { () throws(HostError) in try HostInventory.read(namespaces: names) }
        let hooks = try holdingHooks().readHooks(devices, inventory)
        let renamed = RenamedDevices(image, devices, in: inventory)
        let coverage = Coverage(
            image, renamed.named(in: inventory), judged: devices.filter { hooks[$0.id]?.judges ?? false })
        let order = Dictionary(devices.enumerated().map { ($1.id, $0) }) { first, _ in first }
        let gates = image.view.gatedNamespaces.isEmpty ? GateReading() : readGates(image, inventory)
        let bridges = Set(image.view.selectors.filter(\.isBridge).map(\.entry))
        let ports = devices.map { device in
            var status = status(of: device, hooks[device.id] ?? HookReading(), image, coverage)
            let entry = status.port.entry
            if bridges.contains(entry) { status.gate = gates.made[entry] ?? PortEntry.Gate.none }
            status.gateProblem = gates.problems[entry]
            if status.interfaceIndex == device.interfaceIndex, let problem = renamed.problem(of: device) {
                status.problems.append(problem)
            }
            return status
        }
        return (
            ports.sorted { ($0.record, order[$0.device] ?? 0) < ($1.record, order[$1.device] ?? 0) }, coverage.bridges
        )
    }

    /// What passes unjudged although the policy means it; for people.
    public func warnings() throws(DatapathError) -> [String] {
        Status.warnings(try portStatuses(try imageInForce(try openMaps(.hooks))).ports)
    }

    // MARK: Hooks

    /// By device. Each namespace is entered once.
    private func readHooks(
        _ devices: [DeviceRecord], _ inventory: HostInventory
    ) throws(DatapathError) -> [UInt16: HookReading] {
        var result: [UInt16: HookReading] = [:]
        for (namespace, devices) in Dictionary(grouping: devices, by: \.namespace) {
            let interfaces = inventory.namespaces[namespace]?.interfaces ?? []
            let xdp = Dictionary(interfaces.map { ($0.index, $0.xdpProgram) }) { first, _ in first }
                .compactMapValues(\.self)
            let read = { () -> [(UInt16, HookReading)] in
                let here = NetworkNamespace.inode(nil)
                return devices.map { device in
                    let isInside = here == device.namespaceInode
                    return (device.id, self.readHooks(device, inside: isInside, xdp: xdp[device.interfaceIndex]))
                }
            }
            do throws(DatapathError) {
                for (id, reading) in try NetworkNamespace.with(namespace, { () throws(DatapathError) in read() }) {
                    result[id] = reading
                }
            } catch {
                // A namespace that has lost its name may live on, with all that is in it.
                guard NetworkNamespace.inode(namespace) == nil else { throw error }
                for device in devices { result[device.id] = readHooks(device, inside: false, xdp: nil) }
            }
        }
        return result
    }

    /// - Parameters:
    ///   - inside: whether the calling thread is in the device's namespace.
    ///   - xdp: the program on its XDP hook, which is told of inside alone.
    private func readHooks(_ device: DeviceRecord, inside: Bool, xdp: UInt32?) -> HookReading {
        let attachment = Attachment(self, device)
        let present = inside ? attachment.present(on: device.hooks, xdp: xdp) : [:]
        var reading = HookReading()
        for hook in device.hooks {
            guard let id = try? attachment.program(hook) else { continue }
            // A filter was found on its hook by itself.
            let isFilter = hook != .xdp && !usesTCX
            let isPresent = isFilter || present[hook, default: []].contains { $0.program == id }
            // XDP was read before the pin was, and may have been put there in between.
            guard !inside || isPresent || (hook == .xdp && HookedProgram.onXDP(attachment.interface)?.program == id)
            else { continue }
            reading.programs[hook] = id
        }
        reading.lost = device.hooks.filter { reading.programs[$0] == nil }
        reading.isUnpinned =
            !device.hooks.isEmpty && reading.programs.isEmpty && !device.hooks.contains(where: attachment.isPinned)
        reading.ahead = HookName.allCases.flatMap { reading.ahead(on: $0, of: present[$0, default: []]) }
        return reading
    }

    // MARK: States

    private func status(
        of device: DeviceRecord, _ hooks: HookReading, _ image: LiveImage, _ coverage: Coverage
    ) -> Status.PortStatus {
        let entry = image.entryName(device.record)
        let standIn = coverage.standIn(for: device, of: entry)
        let isThere = hooks.judges || coverage.isUncovered(device, of: entry)
        var known = device
        if !isThere { known.presentNames = [] }
        var status = Status.PortStatus(
            port: image.port(known), interfaceIndex: isThere ? device.interfaceIndex : nil,
            mode: hooks.judges ? device.mode : nil,
            hooks: device.hooks.filter { hooks.programs[$0] != nil }.map(\.rawValue),
            state: .missing, ahead: hooks.ahead, problems: [], device: device.id, record: device.record,
            guards: image.view.port(device.record)?.guards ?? [])
        status.isNotAdmitted = image.view.port(device.record)?.isUnknownToDrop ?? false
        status.uncovered = coverage.uncoveredNames(entry)
        if isThere { status.bridge = coverage.bridge(of: device) }
        if hooks.isUnpinned {
            status.beDetached()
        } else if let standIn {
            status.beReplaced(by: standIn, device, isJudged: hooks.judges)
        } else if hooks.judges {
            status.beJudged(
                device, hooks, isMeant: coverage.means(device, by: entry), isQuarantined: image.isQuarantined(device))
        } else if coverage.isUncovered(device, of: entry) {
            status.beUnfiltered(hooks)
        } else {
            // The number may be another device's now.
            status.beMissing(device)
        }
        return status
    }
}

extension Status.PortStatus {
    fileprivate mutating func beDetached() {
        state = .detached
        change = .detached
        isAsIntended = false
        problems = ["all traffic passes until the next apply"]
    }

    /// - Parameter isJudged: whether the recorded device still is, under another name.
    fileprivate mutating func beReplaced(by other: HostInterface, _ device: DeviceRecord, isJudged: Bool) {
        state = .unfiltered
        change = .came
        isAsIntended = false
        interfaceIndex = other.index
        (mode, hooks, ahead) = (nil, [], [])
        problems = [
            device.interfaceIndex == 0
                ? "the device '\(other.name)' came after the apply: apply again"
                : "the device '\(other.name)' is not the one of the apply, but has come in its place: apply again"
        ]
        if isJudged { problems.append("the device of the apply is called '\(port.interface)' now, and is filtered") }
        port.interface = other.name
        port.alternativeNames = other.alternativeNames
    }

    /// A device that was missing at the apply may be so still, and a workload's may go whenever it likes.
    fileprivate mutating func beMissing(_ device: DeviceRecord) {
        state = .missing
        isAsIntended = device.mode == nil || port.protects == .workload
        guard device.mode != nil else { return }
        change = .gone
        problems = ["the device is gone: apply again when it is back"]
    }

    fileprivate mutating func beJudged(
        _ device: DeviceRecord, _ hooks: HookReading, isMeant: Bool, isQuarantined: Bool
    ) {
        state = isQuarantined ? .quarantined : .enforcing
        isAsIntended = hooks.lost.isEmpty
        if !isMeant { change = .moved }
        if !hooks.lost.isEmpty {
            change = .lost
            problems.append(hooks.lossInWords)
        }
        if device.presentName != device.interface {
            change = change ?? .renamed
            problems.append("the device was called '\(device.interface)' when the policy was applied: apply again")
        }
    }

    fileprivate mutating func beUnfiltered(_ hooks: HookReading) {
        state = .unfiltered
        change = .lost
        isAsIntended = false
        problems = [hooks.lossInWords]
    }
}

extension HookReading {
    fileprivate var lossInWords: String {
        "no program of this instance is on \(lost.map(\.rawValue).joined(separator: ", ")): apply again"
    }
}

extension HookReading {
    /// Programs that see a packet before ours do: any other on the XDP hook, and those in front of ours on a tc hook.
    fileprivate func ahead(on hook: HookName, of present: [HookedProgram]) -> [String] {
        let own = programs[hook]
        guard hook == .xdp || own != nil else { return [] }
        return present.prefix { $0.program != own }.map { "\(hook.rawValue): \($0.words)" }
    }
}

extension Attachment {
    /// What the kernel says is on the hooks of the device, which is in the calling thread's namespace, in order.
    ///
    /// - Parameters:
    ///   - hooks: those that are ours; of the others only XDP is told.
    ///   - xdp: the program on its XDP hook.
    fileprivate func present(on hooks: [HookName], xdp: UInt32?) -> [HookName: [HookedProgram]] {
        var present: [HookName: [HookedProgram]] = [.xdp: xdp.map { [HookedProgram(program: $0)] } ?? []]
        for hook in hooks where hook != .xdp {
            present[hook] =
                instance.usesTCX ? HookedProgram.linked(hook, interface) : HookedProgram.filters(hook, interface)
        }
        return present
    }
}
