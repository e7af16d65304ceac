// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Host
import Libbpf
import Policy

extension Instance {
    /// What the kernel enforces now.
    public func status() throws(DatapathError) -> Status {
        let maps = try openMaps()
        let image = try imageInForce(maps)
        var ports: [Status.PortStatus] = []
        let devices = image.namedDevices()
        let byNamespace = Dictionary(grouping: devices) { $0.namespace }
        for (namespace, devices) in byNamespace {
            let here = NetworkNamespace.inode(namespace)
            let read = { (inside: Bool) in
                devices.map { device in
                    self.status(of: device, image, inside: inside && here == device.namespaceInode)
                }
            }
            if let inside = try? NetworkNamespace.with(namespace, { () throws(DatapathError) in read(true) }) {
                ports += inside
            } else {
                ports += read(false)
            }
        }
        let order = Dictionary(devices.enumerated().map { ($1.id, $0) }) { first, _ in first }
        let view = image.view
        let flows: FlowTotals
        let quarantine: Set<String>
        do throws(BPFError) {
            flows = try maps.flowTotals(scopes: image.allFlowScopes)
            quarantine = try maps.quarantine.all()
        } catch {
            throw DatapathError("cannot read the flow table's figures", error)
        }
        return Status(
            instance: name, generation: image.generation, file: view.file(0)?.name ?? "",
            sha256: hexadecimal(view.sha256), loadedAt: view.header.loaded_at,
            ports: ports.sorted {
                ($0.record, order[$0.device] ?? 0) < ($1.record, order[$1.device] ?? 0)
            }, memoryBytes: maps.memory + image.memory, classifier: view.classifier, flows: flows,
            readers: activeReaders(maps), quarantine: quarantine.sorted(), groups: try groups(image.view.groups, maps))
    }

    private func activeReaders(_ maps: InstanceMaps) -> Int {
        (0..<UInt32(BH_READERS_MAX)).filter { slot in
            let reader = try? maps[.readers].lookup(slot, as: bh_reader.self)
            return (reader?.flags ?? 0) & BH_READER_ACTIVE.rawValue != 0
        }.count
    }

    /// - Parameter inside: whether the calling thread is in the device's namespace.
    private func status(of device: DeviceRecord, _ image: LiveImage, inside: Bool) -> Status.PortStatus {
        let attachment = Attachment(self, device)
        var programs: [HookName: UInt32] = [:]
        for hook in device.hooks {
            if let id = try? attachment.program(hook) { programs[hook] = id }
        }
        let lost = device.hooks.filter { programs[$0] == nil }
        let isMissing = device.mode == nil || lost.count == device.hooks.count
        var problems: [String] = []
        if device.mode != nil, !lost.isEmpty {
            problems.append(
                isMissing
                    ? "the device is gone, or its programs were taken off: apply again"
                    : "no program on \(lost.map(\.rawValue).joined(separator: ", ")): apply again")
        }
        if !isMissing, device.presentName != device.interface {
            problems.append("the device was called '\(device.interface)' when the policy was applied: apply again")
        }
        var known = device
        if isMissing { known.presentNames = [] }
        return Status.PortStatus(
            port: image.port(known), interfaceIndex: isMissing ? nil : device.interfaceIndex,
            mode: isMissing ? nil : device.mode,
            hooks: device.hooks.filter { programs[$0] != nil }.map(\.rawValue),
            state: isMissing ? .missing : image.isQuarantined(device) ? .quarantined : .enforcing,
            ahead: inside ? attachment.ahead(programs) : [],
            problems: problems, device: device.id, record: device.record,
            guards: image.view.port(device.record)?.guards ?? [])
    }

    /// Whether a device has a program of ours on one of its hooks at least.
    func holdsProgram(_ device: DeviceRecord) -> Bool {
        let attachment = Attachment(self, device)
        let isHeld = try? NetworkNamespace.with(device.namespace) { () throws(DatapathError) in
            device.hooks.contains { ((try? attachment.program($0)) ?? nil) != nil }
        }
        return isHeld ?? false
    }

    /// Devices with a hook that should hold a program and does not.
    func brokenHooks(_ devices: [DeviceRecord]) throws(DatapathError) -> [DeviceRecord] {
        var broken: [DeviceRecord] = []
        for (namespace, devices) in Dictionary(grouping: devices, by: \.namespace) {
            let present = devices.filter { $0.mode != nil }
            guard !present.isEmpty else { continue }
            broken += try NetworkNamespace.with(namespace) { () throws(DatapathError) in
                present.filter { device in
                    let attachment = Attachment(self, device)
                    return !device.hooks.allSatisfy { (try? attachment.program($0)) != nil }
                }
            }
        }
        return broken
    }

    /// The policy in force, as the kernel holds it.
    public func policyInForce() throws(DatapathError) -> PolicyInForce {
        let image = try imageInForce(try openMaps())
        let view = image.view
        return PolicyInForce(
            generation: image.generation, files: (0..<view.fileCount).compactMap { view.file($0) },
            sha256: hexadecimal(view.sha256), loadedAt: view.header.loaded_at,
            rules: view.rules)
    }
}

extension Attachment {
    /// Programs that see a packet before ours do, given ours by hook: any on the XDP hook that is not ours, and those
    /// in front of ours on a tc hook.
    func ahead(_ own: [HookName: UInt32]) -> [String] {
        var result: [String] = []
        if let id = try? Program.queryXDP(interface: interface), id != own[.xdp] {
            result.append("xdp: \(Attachment.describe(program: id))")
        }
        for hook in [HookName.tcIngress, .tcEgress] {
            guard let id = own[hook] else { continue }
            let all = instance.usesTCX ? linked(hook) : filtered(hook)
            result += all.prefix { $0.program != id }.map { "\(hook.rawValue): \($0.words)" }
        }
        return result
    }

    /// The programs that TCX runs on a hook, in order.
    private func linked(_ hook: HookName) -> [(program: UInt32?, words: String)] {
        let programs = try? Program.query(interface: interface, hook: hook == .tcIngress ? .tcxIngress : .tcxEgress)
        return (programs ?? []).map { ($0, Attachment.describe(program: $0)) }
    }

    /// The filters of a clsact hook, in order.
    private func filtered(_ hook: HookName) -> [(program: UInt32?, words: String)] {
        let filters = try? Filter.all(interface: interface, isEgress: hook == .tcEgress)
        return (filters ?? []).map { filter in
            (filter.program, filter.program.map { Attachment.describe(program: $0) } ?? "a \(filter.kind) filter")
        }
    }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
