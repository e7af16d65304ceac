// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A BPF object that was opened from memory and is not loaded yet. Data, maps and programs are chosen before it is
/// loaded.
@safe public struct Object: ~Copyable {
    private let name: String
    let pointer: OpaquePointer

    /// Opens an ELF object. libbpf gets a copy with the alignment that ELF needs.
    public init(_ bytes: [UInt8], name: String) throws(BPFError) {
        Messages.begin()
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        defer { unsafe copy.deallocate() }
        unsafe copy.copyBytes(from: bytes)
        guard let opened = unsafe bulkhead_object_open(copy.baseAddress, copy.count, name) else {
            throw BPFError("open", name, errno: Glibc.errno, messages: Messages.take())
        }
        self.name = name
        unsafe pointer = opened
    }

    deinit { unsafe bpf_object__close(pointer) }

    /// Sets the first bytes of the object's read-only data (`const volatile`), which hold one variable.
    public func setReadOnlyData<Value: BitwiseCopyable>(_ value: Value) throws(BPFError) {
        let map = unsafe try find("map of read-only data", ".rodata")
        var size = 0
        let data = unsafe bpf_map__initial_value(map, &size)
        guard let data = unsafe data, size >= MemoryLayout<Value>.size else {
            throw BPFError("set read-only data of", name, errno: EINVAL)
        }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { unsafe copy.deallocate() }
        unsafe copy.copyMemory(from: UnsafeRawBufferPointer(start: data, count: size))
        unsafe copy.storeBytes(of: value, as: Value.self)
        try check("set read-only data of", name) {
            unsafe bpf_map__set_initial_value(map, copy.baseAddress, size)
        }
    }

    /// Uses an existing map instead of making one.
    public func reuse(_ map: Map, as mapName: String) throws(BPFError) {
        let slot = unsafe try find("map", mapName)
        let descriptor = map.descriptor.value
        try check("reuse map", mapName) { unsafe bpf_map__reuse_fd(slot, descriptor) }
    }

    /// Changes the number of entries of a map that is not made yet.
    public func setEntries(_ count: UInt32, of mapName: String) throws(BPFError) {
        let map = unsafe try find("map", mapName)
        try check("set the entries of", mapName) { unsafe bpf_map__set_max_entries(map, count) }
    }

    /// Has a map of maps hold maps like `model`, which must live until the object is loaded.
    public func setInner(_ model: Map, of mapName: String) throws(BPFError) {
        let map = unsafe try find("map", mapName)
        let descriptor = model.descriptor.value
        try check("set the maps in", mapName) { unsafe bpf_map__set_inner_map_fd(map, descriptor) }
    }

    /// The maps that the object defines, as it defines them.
    public var maps: [MapDefinition] {
        var result: [MapDefinition] = []
        var next = unsafe bpf_object__next_map(pointer, nil)
        while let map = unsafe next {
            unsafe result.append(
                MapDefinition(
                    name: String(cString: bpf_map__name(map)), type: bpf_map__type(map).rawValue,
                    keySize: bpf_map__key_size(map), valueSize: bpf_map__value_size(map),
                    maxEntries: bpf_map__max_entries(map), flags: bpf_map__map_flags(map),
                    isInternal: bpf_map__is_internal(map)))
            unsafe next = bpf_object__next_map(pointer, map)
        }
        return result
    }

    /// The names of the object's programs.
    public var programs: [String] {
        var result: [String] = []
        var next = unsafe bpf_object__next_program(pointer, nil)
        while let program = unsafe next {
            unsafe result.append(String(cString: bpf_program__name(program)))
            unsafe next = bpf_object__next_program(pointer, program)
        }
        return result
    }

    /// Loads these programs only; without this call all are loaded.
    public func select(programs names: Set<String>) {
        var next = unsafe bpf_object__next_program(pointer, nil)
        while let program = unsafe next {
            let wanted = unsafe names.contains(String(cString: bpf_program__name(program)))
            unsafe bpf_program__set_autoload(program, wanted)
            unsafe next = bpf_object__next_program(pointer, program)
        }
    }

    /// Makes the maps and loads the programs. If a program is refused, the error names it and has the verifier's whole
    /// log.
    public consuming func load() throws(BPFError) -> LoadedObject {
        let logs = unsafe VerifierLogs(pointer)
        Messages.begin()
        let result = unsafe bpf_object__load(pointer)
        guard result >= 0 else {
            let messages = Messages.take()
            if let refused = logs.refused {
                throw BPFError(
                    "load program", refused.program, errno: -result, messages: messages, log: refused.log)
            }
            throw BPFError("load", name, errno: -result, messages: messages)
        }
        logs.remove()
        return LoadedObject(self)
    }

    private func find(_ what: String, _ mapName: String) throws(BPFError) -> OpaquePointer {
        var next = unsafe bpf_object__next_map(pointer, nil)
        while let map = unsafe next {
            // libbpf prefixes the object's name to the names of data sections.
            let found = unsafe String(cString: bpf_map__name(map))
            if found == mapName || (mapName.hasPrefix(".") && found.hasSuffix(mapName)) { return unsafe map }
            unsafe next = bpf_object__next_map(pointer, map)
        }
        throw BPFError("find \(what)", "\(mapName) in \(name)", errno: ENOENT)
    }

    fileprivate func programDescriptor(_ programName: String) -> Int32 {
        guard let program = unsafe bpf_object__find_program_by_name(pointer, programName) else { return -ENOENT }
        return unsafe bpf_program__fd(program)
    }

    fileprivate func mapDescriptor(_ mapName: String) -> Int32 {
        unsafe bpf_object__find_map_fd_by_name(pointer, mapName)
    }
}

/// A map as an object defines it.
public struct MapDefinition: Sendable, Hashable {
    public var name: String
    /// `BPF_MAP_TYPE_*`.
    public var type: UInt32
    public var keySize: UInt32
    public var valueSize: UInt32
    public var maxEntries: UInt32
    public var flags: UInt32
    /// Whether libbpf made it of a data section.
    public var isInternal: Bool
}

/// A loaded object. Its programs and maps live on as long as something holds them: a descriptor, a pin, a link, a slot.
public struct LoadedObject: ~Copyable {
    private let object: Object

    fileprivate init(_ object: consuming Object) { self.object = object }

    /// A loaded program, which outlives this value.
    public func program(_ name: String) throws(BPFError) -> Program {
        let value = object.programDescriptor(name)
        guard value >= 0 else { throw BPFError("find program", name, errno: -value) }
        return Program(try Descriptor(duplicating: value, of: name), name: name)
    }

    /// A map that the object uses, which outlives this value.
    public func map(_ name: String) throws(BPFError) -> Map {
        let value = object.mapDescriptor(name)
        guard value >= 0 else { throw BPFError("find map", name, errno: -value) }
        return try Map(try Descriptor(duplicating: value, of: name), name: name)
    }
}
