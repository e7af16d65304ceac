import CLibbpf
import Glibc
import Libbpf

/// The programs on one device, in the calling thread's network namespace.
struct Attachment {
    let instance: Instance
    let device: UInt16
    let interface: UInt32
    /// As messages call it.
    let name: String

    /// Of our clsact filters: first in line.
    private static let filterPriority: UInt32 = 1

    /// The handle of an instance's filters, so that two instances can share a device. Whose a filter is says the pinned program.
    private var filterHandle: UInt32 {
        1 + instance.name.utf8.reduce(UInt32(5381)) { ($0 &* 33) ^ UInt32($1) } % 0xffff
    }

    // MARK: On

    /// Loads the device's entry programs for these hooks.
    func load(_ hooks: [HookName], maps: borrowing InstanceMaps) throws(BPFError) -> LoadedObject {
        let object = try Object(Programs.entry.bytes, name: Programs.entry.name)
        try object.setReadOnlyData(UInt32(device))
        object.select(programs: Set(hooks.map(\.entryProgram)))
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
        // Pinned first: a filter is told to be ours by the pin.
        try program.pin(at: instance.filterFolder / hook.pin(device))
        try filter(hook).attach(program)
    }

    /// Attaches and pins at the XDP hook.
    func attachXDP(native: Bool, _ object: borrowing LoadedObject) throws(BPFError) {
        let program = try object.program(HookName.xdp.entryProgram)
        let link = try Link(attaching: program, to: native ? .xdpNative : .xdpGeneric, interface: interface)
        try pin(link, .xdp)
    }

    private func pin(_ link: borrowing Link, _ hook: HookName) throws(BPFError) {
        try link.pin(at: instance.linkFolder / hook.pin(device))
    }

    /// Removes the pin of a link or filter that does not hold any more, and what may be left of it.
    func removeStalePin(_ hook: HookName) throws(BPFError) {
        do throws(DatapathError) {
            try detach(hook)
        } catch {
            throw error.bpf ?? BPFError("remove pin of", "\(hook.rawValue) of \(name)", errno: EIO)
        }
    }

    // MARK: What is there

    /// Another's program on the XDP hook, in words; nil where there is none.
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

    /// Id of this device's program on a hook; nil where it is not there, or on another device.
    func program(_ hook: HookName) throws(BPFError) -> UInt32? {
        let pin = hook.pin(device)
        if instance.linkFolder.holds(pin) {
            let info = try Link(pinnedAt: instance.linkFolder / pin).info
            return info.interface == interface ? info.program : nil
        }
        guard hook != .xdp, instance.filterFolder.holds(pin) else { return nil }
        let own = try Program(pinnedAt: instance.filterFolder / pin).info.id
        return try filter(hook).program() == own ? own : nil
    }

    /// Replaces the programs of hooks that are attached, each in one step.
    func replace(_ hooks: [HookName], _ object: borrowing LoadedObject) throws(BPFError) {
        for hook in hooks {
            let pin = hook.pin(device)
            let program = try object.program(hook.entryProgram)
            if instance.linkFolder.holds(pin) {
                try Link(pinnedAt: instance.linkFolder / pin).update(to: program)
            } else if instance.filterFolder.holds(pin) {
                try filter(hook).replace(with: program)
                unsafe unlink(instance.filterFolder / pin)
                try program.pin(at: instance.filterFolder / pin)
            }
        }
    }

    // MARK: Off

    /// Takes this device's program off a hook, and removes the pin. What is not there, or not ours, is left.
    func detach(_ hook: HookName) throws(DatapathError) {
        let pin = hook.pin(device)
        do {
            if instance.linkFolder.holds(pin) {
                try Link(pinnedAt: instance.linkFolder / pin).detach()
                try instance.linkFolder.unpin(pin)
            }
            if instance.filterFolder.holds(pin) {
                let own = try Program(pinnedAt: instance.filterFolder / pin).info.id
                if try filter(hook).program() == own { try filter(hook).detach() }
                try instance.filterFolder.unpin(pin)
            }
        } catch let error as BPFError {
            throw DatapathError("cannot detach \(hook.rawValue) from \(name)", error)
        } catch let error as DatapathError {
            throw error
        } catch {
            throw DatapathError("cannot detach \(hook.rawValue) from \(name): \(error)")
        }
    }

    private func filter(_ hook: HookName) -> Filter {
        Filter(
            interface: interface, isEgress: hook == .tcEgress, handle: filterHandle,
            priority: Attachment.filterPriority)
    }
}
