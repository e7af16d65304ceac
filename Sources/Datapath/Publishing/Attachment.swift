// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import Libbpf

/// The programs on one device, in the calling thread's network namespace.
struct Attachment {
    let instance: Instance
    let device: UInt16
    let interface: UInt32
    let namespaceInode: UInt64
    /// The device's name in messages.
    let name: String

    /// The entry program of generic XDP.
    private static let genericXDP = "entry_xdp_generic"

    /// The priority of our clsact filters: first to run.
    private static let filterPriority: UInt32 = 1

    /// The handle of our filters: one per instance and device id. So two instances can share a device, and a renamed
    /// device with a new id can be attached before the old id is detached. The pinned program tells whose a filter is.
    var filterHandle: UInt32 {
        let instance = instance.name.utf8.reduce(UInt32(5381)) { ($0 &* 33) ^ UInt32($1) }
        return (instance % 0x7fff) << 16 | UInt32(device)
    }

    init(instance: Instance, device: UInt16, interface: UInt32, namespaceInode: UInt64, name: String) {
        self.instance = instance
        self.device = device
        self.interface = interface
        self.namespaceInode = namespaceInode
        self.name = name
    }

    init(_ instance: Instance, _ identity: DeviceRecord.Identity, device: UInt16) {
        self.init(
            instance: instance, device: device, interface: identity.index, namespaceInode: identity.inode,
            name: identity.interface)
    }

    init(_ instance: Instance, _ record: DeviceRecord) { self.init(instance, record.identity, device: record.id) }

    private func linkPin(_ hook: HookName) -> String { HookPin(device: device, hook: hook).name }

    private func filterPin(_ hook: HookName, isNew: Bool = false) -> String {
        HookPin(
            device: device, hook: hook, place: .init(interface: interface, namespaceInode: namespaceInode), isNew: isNew
        ).name
    }

    // MARK: On

    /// Loads the device's entry programs for these hooks.
    func load(_ hooks: [HookName], maps: InstanceMaps) throws(BPFError) -> LoadedObject {
        let object = try Object(Programs.entry.bytes, name: Programs.entry.name)
        try object.setReadOnlyData(UInt32(device))
        object.select(programs: Set(hooks.map(\.entryProgram) + (hooks.contains(.xdp) ? [Attachment.genericXDP] : [])))
        try maps.share(with: object)
        return try object.load()
    }

    /// Attaches and pins at a tc hook.
    func attachTC(_ hook: HookName, _ object: borrowing LoadedObject) throws(BPFError) {
        let program = try object.program(hook.entryProgram)
        guard !instance.usesTCX else {
            let link = try Link(
                attaching: program, to: hook == .tcIngress ? .tcxIngress : .tcxEgress, interface: interface)
            return try pin(link, hook)
        }
        // The pin comes first, because it tells that a filter is ours.
        try program.pin(at: instance.filterFolder / filterPin(hook))
        do throws(BPFError) {
            try filter(hook).attach(program)
        } catch {
            try? instance.filterFolder.unpin(filterPin(hook))
            throw error
        }
    }

    /// Attaches and pins at the XDP hook.
    func attachXDP(native: Bool, _ object: borrowing LoadedObject) throws(BPFError) {
        let program = try object.program(native ? HookName.xdp.entryProgram : Attachment.genericXDP)
        let link = try Link(attaching: program, to: native ? .xdpNative : .xdpGeneric, interface: interface)
        try pin(link, .xdp)
    }

    private func pin(_ link: borrowing Link, _ hook: HookName) throws(BPFError) {
        try link.pin(at: instance.linkFolder / linkPin(hook))
    }

    /// Removes the pin of a link or filter that is no longer attached, and what may be left of it.
    func removeStalePin(_ hook: HookName) throws(BPFError) {
        do throws(DatapathError) {
            try detach(hook)
        } catch {
            throw error.bpf ?? BPFError("remove pin of", "\(hook.rawValue) of \(name)", errno: EIO)
        }
    }

    // MARK: What is there

    /// Another tool's program on the XDP hook, for messages; nil if there is none.
    func otherOnXDP() -> String? {
        guard let id = try? Program.queryXDP(interface: interface) else { return nil }
        guard id != (try? program(.xdp)) else { return nil }
        return Attachment.describe(program: id)
    }

    /// A program as messages name it.
    static func describe(program id: UInt32) -> String {
        let info = try? Program.info(id: id)
        return "program \(info.map { "'\($0.name)' " } ?? "")(id \(id))"
    }

    /// Whether something of this instance is pinned for a hook of the device, attached or not.
    func isPinned(_ hook: HookName) -> Bool {
        instance.linkFolder.holds(linkPin(hook))
            || [false, true].contains { instance.filterFolder.holds(filterPin(hook, isNew: $0)) }
    }

    /// Whether this device's program is on a hook. What cannot be read counts as not there.
    func holds(_ hook: HookName) -> Bool { (try? program(hook)) != nil }

    /// Id of this device's program on a hook; nil if it is not there, or on another device.
    func program(_ hook: HookName) throws(BPFError) -> UInt32? {
        if instance.linkFolder.holds(linkPin(hook)) {
            let info = try Link(pinnedAt: instance.linkFolder / linkPin(hook)).info
            return info.interface == interface ? info.program : nil
        }
        guard hook != .xdp else { return nil }
        return try filterProgram(hook, pin: filterPin(hook))
    }

    /// Id of the program of a pinned filter; nil if it is not on its hook.
    private func filterProgram(_ hook: HookName, pin: String) throws(BPFError) -> UInt32? {
        guard instance.filterFolder.holds(pin) else { return nil }
        let own = try Program(pinnedAt: instance.filterFolder / pin).info.id
        return try filter(hook).program() == own ? own : nil
    }

    /// Replaces the programs of attached hooks, each in one step.
    ///
    /// - Parameter isGeneric: whether the XDP hook has the program of generic XDP.
    func replace(_ hooks: [HookName], isGeneric: Bool, _ object: borrowing LoadedObject) throws(BPFError) {
        for hook in hooks {
            let program = try object.program(hook == .xdp && isGeneric ? Attachment.genericXDP : hook.entryProgram)
            if instance.linkFolder.holds(linkPin(hook)) {
                try Link(pinnedAt: instance.linkFolder / linkPin(hook)).update(to: program)
            } else if instance.filterFolder.holds(filterPin(hook)) {
                // If the process is killed on the way, one of the two pins is that of the attached filter.
                let new = try instance.filterFolder / filterPin(hook, isNew: true)
                try program.pin(at: new)
                try filter(hook).replace(with: program)
                try new.folder.rename(new.name, to: filterPin(hook))
            }
        }
    }

    // MARK: Off

    /// Takes this device's program off a hook, and removes the pin. Leaves programs that are not ours. Only a filter
    /// needs the thread to be in the device's namespace.
    func detach(_ hook: HookName) throws(DatapathError) {
        try DatapathError.naming("cannot detach \(hook.rawValue) from \(name)") {
            if instance.linkFolder.holds(linkPin(hook)) {
                try Link(pinnedAt: instance.linkFolder / linkPin(hook)).detach()
                try instance.linkFolder.unpin(linkPin(hook))
            }
            for pin in [filterPin(hook), filterPin(hook, isNew: true)] where instance.filterFolder.holds(pin) {
                if try filterProgram(hook, pin: pin) != nil { try filter(hook).detach() }
                try instance.filterFolder.unpin(pin)
            }
        }
    }

    private func filter(_ hook: HookName) -> Filter {
        Filter(
            interface: interface, isEgress: hook == .tcEgress, handle: filterHandle,
            priority: Attachment.filterPriority)
    }
}
