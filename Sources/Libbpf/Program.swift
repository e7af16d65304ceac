// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CNetlink
import Glibc

/// A loaded program.
public struct Program: ~Copyable, Sendable {
    public let name: String
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// What the kernel tells of a program.
    public struct Info: Sendable, Hashable {
        public var id: UInt32
        /// Cut to 15 bytes by the kernel.
        public var name: String
        /// Instructions after the verifier rewrote them.
        public var instructions: Int
        /// Instructions that the verifier walked to prove it.
        public var verified: Int
    }

    public var info: Info {
        get throws(BPFError) { try Program.info(descriptor.value, name) }
    }

    /// The program of this id, whoever loaded it; nil if it is gone.
    public static func info(id: UInt32) throws(BPFError) -> Info? {
        let value = bpf_prog_get_fd_by_id(id)
        if value == -ENOENT { return nil }
        guard value >= 0 else { throw BPFError("open program", "\(id)", errno: -value) }
        let descriptor = Descriptor(owning: value)
        return try info(descriptor.value, "\(id)")
    }

    /// The program of an id, whoever loaded it.
    ///
    /// - Throws: ENOENT where it is gone.
    public init(id: UInt32, name: String) throws(BPFError) {
        let value = try check("open program", "\(name) (id \(id))") { bpf_prog_get_fd_by_id(id) }
        self.init(Descriptor(owning: value), name: name)
    }

    /// The maps that it uses.
    public var maps: [Map] {
        get throws(BPFError) {
            var ids = [UInt32](repeating: 0, count: 64)
            var count = UInt32(ids.count)
            try check("ask about the maps of program", name) {
                unsafe bulkhead_program_maps(descriptor.value, &ids, &count)
            }
            var maps: [Map] = []
            for id in ids.prefix(Int(count)) { maps.append(try Map(id: id, name: "map of \(name)")) }
            return maps
        }
    }

    /// A pinned program.
    public init(pinnedAt pin: Pin) throws(BPFError) {
        let value = try check("open pinned program", "\(pin)") { unsafe bpf_obj_get(pin.path) }
        self.init(Descriptor(owning: value), name: "\(pin)")
    }

    /// Pins the program; a name that is taken is an error (EEXIST).
    public func pin(at pin: Pin) throws(BPFError) {
        let value = descriptor.value
        try check("pin program", "\(pin)") { unsafe bpf_obj_pin(value, pin.path) }
        pin.setMode()
    }

    private static func info(_ descriptor: Int32, _ name: String) throws(BPFError) -> Info {
        var info = bulkhead_program_info()
        try check("ask about program", name) { unsafe bulkhead_program_info(descriptor, &info) }
        return Info(
            id: info.id, name: text(of: info.name), instructions: Int(info.instructions),
            verified: Int(info.verified))
    }

    // MARK: Hooks

    /// Ids of the programs on a hook of a device in the calling thread's network namespace, in the order in which they
    /// run.
    public static func query(interface: UInt32, hook: Hook) throws(BPFError) -> [UInt32] {
        var ids = [UInt32](repeating: 0, count: 64)
        var count = UInt32(ids.count)
        let type = hook.attachType
        try check("query \(hook) of interface", "\(interface)") {
            unsafe bulkhead_program_query(Int32(bitPattern: interface), type, &ids, &count)
        }
        return Array(ids.prefix(Int(count)))
    }

    /// Id of the program on the XDP hook, in any mode; nil if there is none.
    public static func queryXDP(interface: UInt32) throws(BPFError) -> UInt32? {
        var id: UInt32 = 0
        try check("query XDP of interface", "\(interface)") {
            unsafe bulkhead_xdp_program(Int32(bitPattern: interface), &id)
        }
        return id == 0 ? nil : id
    }

    // MARK: Test runs

    /// What a run of a program returned.
    public struct Run: Sendable, Hashable {
        public var result: UInt32
        /// Nanoseconds per run, the mean of all repetitions.
        public var duration: UInt32
        /// The frame after the run.
        public var output: [UInt8] = []

        package init(result: UInt32, duration: UInt32) {
            self.result = result
            self.duration = duration
        }
    }

    /// Runs the program on a frame; it need not be attached. `context` is a `__sk_buff` or `xdp_md`, or empty.
    public func testRun(frame: [UInt8], context: [UInt8] = [], repetitions: UInt32 = 1) throws(BPFError) -> Run {
        // A program may make a frame longer.
        var output = [UInt8](repeating: 0, count: frame.count + 256)
        var size = UInt32(output.count)
        var run = Run(result: 0, duration: 0)
        let error = unsafe frame.withUnsafeBytes { frame in
            unsafe context.withUnsafeBytes { context in
                unsafe bulkhead_test_run(
                    descriptor.value, frame.baseAddress, UInt32(frame.count),
                    context.isEmpty ? nil : context.baseAddress, UInt32(context.count), repetitions, &output, &size,
                    &run.result, &run.duration)
            }
        }
        guard error >= 0 else { throw BPFError("run program", name, errno: -error) }
        run.output = Array(output.prefix(Int(size)))
        return run
    }

    /// Runs an XDP program on `count` copies of a frame, in the calling thread's network namespace, and does what it
    /// says with each: one that it redirects is sent. Returns nanoseconds per frame, including what is received on the
    /// way, without rests for other threads.
    public func send(frame: [UInt8], count: UInt32, batch: UInt32 = 64) throws(BPFError) -> UInt32 {
        var duration: UInt32 = 0
        let error = unsafe frame.withUnsafeBytes { frame in
            unsafe bulkhead_send_frames(
                descriptor.value, frame.baseAddress, UInt32(frame.count), count, batch, &duration)
        }
        guard error >= 0 else { throw BPFError("send frames with program", name, errno: -error) }
        return duration
    }
}
