// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A program attached to a hook. A link that is not pinned detaches when its last descriptor is closed.
public struct Link: ~Copyable, Sendable {
    private let descriptor: Descriptor
    private let name: String

    /// Attaches a program to a device of the calling thread's network namespace; at the tc hooks, in front of all
    /// others.
    public init(attaching program: borrowing Program, to hook: Hook, interface: UInt32) throws(BPFError) {
        let programDescriptor = program.descriptor.value
        let value = try check("attach to \(hook) of interface", "\(interface)") {
            bulkhead_link_create(programDescriptor, Int32(bitPattern: interface), hook.attachType, hook.flags)
        }
        descriptor = Descriptor(owning: value)
        name = "\(hook) of interface \(interface)"
    }

    /// A pinned link.
    public init(pinnedAt pin: Pin) throws(BPFError) {
        let value = try check("open pinned link", "\(pin)") { unsafe bpf_obj_get(pin.path) }
        descriptor = Descriptor(owning: value)
        name = "\(pin)"
    }

    /// Pins the link; a name that is taken is an error (EEXIST).
    public func pin(at pin: Pin) throws(BPFError) {
        let value = descriptor.value
        try check("pin link", "\(pin)") { unsafe bpf_obj_pin(value, pin.path) }
        pin.setMode()
    }

    /// What the kernel tells of a link.
    public struct Info: Sendable, Hashable {
        public var id: UInt32
        public var program: UInt32
        /// 0: the device is gone.
        public var interface: UInt32
    }

    public var info: Info {
        get throws(BPFError) {
            var info = bulkhead_link_info()
            let value = descriptor.value
            try check("ask about link", name) { unsafe bulkhead_link_info(value, &info) }
            return Info(id: info.id, program: info.program_id, interface: info.ifindex)
        }
    }

    /// Replaces the program in one step.
    public func update(to program: borrowing Program) throws(BPFError) {
        let value = descriptor.value
        let programDescriptor = program.descriptor.value
        try check("update", name) { bpf_link_update(value, programDescriptor, nil) }
    }

    /// Takes the program off its hook at once, even if the link is pinned or held elsewhere. A device that is gone is
    /// not an error.
    public func detach() throws(BPFError) {
        let result = bpf_link_detach(descriptor.value)
        guard result >= 0 || result == -ENOLINK || result == -EINVAL else {
            throw BPFError("detach", name, errno: -result)
        }
    }
}
