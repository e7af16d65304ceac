// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CNetlink
import Glibc

/// A program as a direct-action filter of the clsact qdisc, for kernels before 6.6. It stays until it is detached.
/// All calls are about a device of the calling thread's network namespace.
public struct Filter: Sendable, Hashable {
    public var interface: UInt32
    public var isEgress: Bool
    public var handle: UInt32
    public var priority: UInt32

    public init(interface: UInt32, isEgress: Bool, handle: UInt32, priority: UInt32) {
        self.interface = interface
        self.isEgress = isEgress
        self.handle = handle
        self.priority = priority
    }

    private var value: bulkhead_filter {
        bulkhead_filter(
            ifindex: Int32(bitPattern: interface), egress: isEgress ? 1 : 0, handle: handle, priority: priority,
            program_id: 0)
    }

    private var name: String { "clsact \(isEgress ? "egress" : "ingress") of interface \(interface)" }

    /// Attaches a program, and makes the qdisc if it is missing. A filter of the same handle and priority is an error
    /// (EEXIST).
    public func attach(_ program: borrowing Program) throws(BPFError) {
        var filter = value
        let descriptor = program.descriptor.value
        try check("attach to", name) { unsafe bulkhead_filter_attach(&filter, descriptor, false) }
    }

    /// Replaces the program of an attached filter, in one step.
    public func replace(with program: borrowing Program) throws(BPFError) {
        var filter = value
        let descriptor = program.descriptor.value
        try check("replace", name) { unsafe bulkhead_filter_attach(&filter, descriptor, true) }
    }

    /// Id of the attached program; nil if there is none.
    public func program() throws(BPFError) -> UInt32? {
        var filter = value
        Messages.begin()
        let result = unsafe bulkhead_filter_query(&filter)
        // There is no filter, no qdisc or no device.
        if [-ENOENT, -EINVAL, -ENODEV, -EOPNOTSUPP].contains(result) { return nil }
        guard result >= 0 else { throw BPFError("query", name, errno: -result, messages: Messages.take()) }
        return filter.program_id
    }

    /// Any filter of a clsact hook.
    public struct Entry: Sendable, Hashable {
        /// `bpf`, `flower`, ...
        public var kind: String
        /// nil if the filter is not a BPF program.
        public var program: UInt32?
    }

    /// All filters of a clsact hook, in the order in which they run.
    public static func all(interface: UInt32, isEgress: Bool) throws(BPFError) -> [Entry] {
        var entries: UnsafeMutablePointer<bulkhead_filter_entry>?
        var count = 0
        let result = unsafe bulkhead_read_filters(Int32(bitPattern: interface), isEgress, &entries, &count)
        defer { unsafe free(entries) }
        guard result >= 0 else { throw BPFError("list the filters of interface", "\(interface)", errno: -result) }
        return unsafe UnsafeBufferPointer(start: entries, count: count).map {
            Entry(kind: text(of: $0.kind), program: $0.program_id == 0 ? nil : $0.program_id)
        }
    }

    /// Takes the filter off; one that is not there is an error.
    public func detach() throws(BPFError) {
        var filter = value
        try check("detach from", name) { unsafe bulkhead_filter_detach(&filter) }
    }
}
