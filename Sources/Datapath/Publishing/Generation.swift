// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Compiler
import Glibc
import Host
import Libbpf

/// A compiled image together with the host's part: what goes into one inner map.
package struct Generation {
    /// The image, then the host's tables.
    private var bytes: [UInt8]
    private var header: bh_image_header

    /// - Parameter view: The same image, which it has checked.
    package init(_ image: [UInt8], _ view: ImageView, number: UInt32, loadedAt: UInt64) {
        header = view.header
        header.generation = number
        header.loaded_at = loadedAt
        bytes = image
        if header.device_ports == 0 {
            header.device_ports = UInt32(Generation.align(&bytes, 64))
            bytes += [UInt8](repeating: 0, count: Int(BH_DEVICES_MAX) * MemoryLayout<UInt16>.size)
        }
        if header.devices == 0 {
            header.devices = UInt32(Generation.align(&bytes, MemoryLayout<bh_device>.stride))
            bytes += [UInt8](repeating: 0, count: Int(BH_DEVICES_MAX) * MemoryLayout<bh_device>.stride)
        }
    }

    private static func align(_ bytes: inout [UInt8], _ alignment: Int) -> Int {
        let rest = bytes.count % alignment
        if rest > 0 { bytes += [UInt8](repeating: 0, count: alignment - rest) }
        return bytes.count
    }

    /// Where the table of port records by device id starts.
    package var devicePorts: Int { Int(header.device_ports) }

    private func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value {
        unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    private mutating func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.storeBytes(of: value, toByteOffset: offset, as: Value.self) }
    }

    /// Gives each of the policy's rules its counter.
    package mutating func setCounters(_ slots: [UInt32]) {
        guard let field = MemoryLayout<bh_rule>.offset(of: \.counter),
            let number = MemoryLayout<bh_rule>.offset(of: \.number)
        else { return }
        for rank in 0..<Int(header.rule_count) {
            let record = Int(header.rules) + rank * MemoryLayout<bh_rule>.stride
            let rule = Int(load(UInt32.self, at: record + number))
            if rule < slots.count { store(slots[rule], at: record + field) }
        }
    }

    /// Gives each dynamic group the place of its members.
    package mutating func setGroupSlots(_ slots: [UInt32]) {
        guard let field = MemoryLayout<bh_group>.offset(of: \.slot) else { return }
        for (index, slot) in slots.enumerated() where index < Int(header.group_count) {
            store(slot, at: Int(header.groups) + index * MemoryLayout<bh_group>.stride + field)
        }
    }

    /// Gives each limit, by condition, its place.
    package mutating func setLimitSlots(_ slots: [Int: UInt32]) {
        guard let field = MemoryLayout<bh_condition>.offset(of: \.slot) else { return }
        for (condition, slot) in slots where condition < Int(header.condition_count) {
            store(slot, at: Int(header.conditions) + condition * MemoryLayout<bh_condition>.stride + field)
        }
    }

    /// Sets the secret and the clock that conditions are judged by.
    ///
    /// - Parameters:
    ///   - secret: Of the hash that finds what is known of a source.
    ///   - wallOffset: What to add to the programs' clock to get nanoseconds since 1970; it wraps.
    ///   - bootOffset: What to add to it to get CLOCK_BOOTTIME; 0: the programs read the kernel's clocks.
    package mutating func setClock(
        secret: UInt64, wallOffset: UInt64 = KernelClock.wallOffset, bootOffset: UInt64 = 0
    ) {
        header.secret = secret
        header.wall_offset = wallOffset
        header.boot_offset = bootOffset
        header.epoch = 0
    }

    /// Notes which executable compiled the image.
    mutating func setCompiler(_ identity: UInt64) { header.compiler = identity }

    /// Sets the scope that owns the flows of a port record; 0: each device its own.
    package mutating func setFlowScope(_ scope: UInt16, ofRecord record: Int) {
        guard record < Int(header.port_count), let field = MemoryLayout<bh_port>.offset(of: \.flow_scope) else {
            return
        }
        store(scope, at: Int(header.ports) + record * MemoryLayout<bh_port>.stride + field)
    }

    /// Sets the scopes that own the flows of host entries, by the entries' names.
    mutating func setFlowScopes(_ scopes: [String: UInt16], _ view: ImageView) {
        for record in 0..<view.portCount {
            guard let port = view.port(record), port.protects == .host, !port.isUnknownToDrop,
                let scope = scopes[port.name]
            else { continue }
            setFlowScope(scope, ofRecord: record)
        }
    }

    /// Sets the generation of the policy before, which is asked what it passed without a flow; 0: none is asked.
    package mutating func setBefore(_ generation: UInt32) { header.before = generation }

    /// Binds a made-up device to a port record.
    ///
    /// - Parameters:
    ///   - attachedAt: CLOCK_MONOTONIC nanoseconds from which on TCP connections are adopted; 0: none is.
    ///   - untrackedAt: On the same clock, when a policy was replaced that passed something here without a flow; 0:
    ///     none was.
    package mutating func bind(_ device: UInt16, toRecord record: Int, attachedAt: UInt64, untrackedAt: UInt64) {
        var raw = bh_device()
        raw.attached_at = attachedAt
        raw.untracked_at = untrackedAt
        store(raw, at: Int(header.devices) + Int(device) * MemoryLayout<bh_device>.stride)
        store(UInt16(record + 1), at: Int(header.device_ports) + Int(device) * MemoryLayout<UInt16>.stride)
    }

    /// Adopts every connection that the policy would accept, or none, whatever the policy says.
    package mutating func setAdopting(_ adopts: Bool) {
        // Half of the range, because the programs add a second to what is left of it.
        header.adopt = adopts ? .max / 2 : 0
    }

    /// Records the devices. The id of a missing one leads to no port, because no packets of it are expected.
    package mutating func setDevices(_ devices: [DeviceRecord]) {
        header.device_count = UInt32(devices.count)
        for device in devices {
            let id = Int(device.id)
            store(device.raw, at: Int(header.devices) + id * MemoryLayout<bh_device>.stride)
            let port = device.mode == nil ? 0 : UInt16(device.record + 1)
            store(port, at: Int(header.device_ports) + id * MemoryLayout<UInt16>.stride)
        }
        if header.via_count > 1 { for device in devices where device.mode != nil { link(device) } }
    }

    /// Lets the programs find a device by its index. One that finds no place is as if it had no port.
    private mutating func link(_ device: DeviceRecord) {
        let first = Int(bh_link_place(device.interfaceIndex, device.namespaceInode))
        for step in 0..<Int(BH_LINK_TRIES) {
            let place = Int(header.links) + (first + step) % Int(BH_LINKS) * MemoryLayout<UInt16>.stride
            guard load(UInt16.self, at: place) == 0 else { continue }
            store(device.id, at: place)
            return
        }
    }

    /// Makes the map of this generation and fills it.
    package func load() throws(BPFError) -> Map {
        let map = try allocate()
        try fill(map)
        return map
    }

    /// Makes the map; the kernel sets aside all of its memory at once.
    package func allocate() throws(BPFError) -> Map {
        let page = Int(BH_PAGE_SIZE)
        let pages = max((bytes.count + page - 1) / page, 1)
        guard pages <= Int(BH_PAGES_MAX) else {
            throw BPFError("make a map of \(bytes.count) bytes for", "the policy image", errno: E2BIG)
        }
        return try Map(
            type: BPF_MAP_TYPE_ARRAY, name: "bulkhead_image", valueSize: UInt32(page), maxEntries: UInt32(pages),
            flags: UInt32(BPF_F_MMAPABLE | BPF_F_INNER_MAP))
    }

    package func fill(_ map: Map) throws(BPFError) {
        let mapping = try Mapping(map, writable: true)
        mapping.write(bytes)
        mapping.store(header, at: 0)
    }
}

extension ImageView {
    /// Reads a copy of an image that is about to be loaded.
    package init(ofPolicy bytes: [UInt8]) throws(DatapathError) {
        do throws(ImageError) {
            try self.init(bytes)
        } catch {
            throw DatapathError("cannot read the policy image: \(error.message)")
        }
    }
}
