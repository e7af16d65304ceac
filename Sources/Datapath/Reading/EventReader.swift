// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Glibc
import Host
import Libbpf
import Synchronization

/// One live stream of events. It holds one of the instance's few reader slots as long as it lives; the kernel frees the
/// slot when the process dies. Only events during its life are queued.
public final class EventReader {
    private let slot: ReaderSlot
    /// The instance's name.
    private let instance: String
    private var ticker: Ticker?
    private var ring: RingBuffer
    private var images: [LiveImage] = []
    /// The devices' names, and when they were read: at most once per second, and only if there are events to name.
    private var names = DeviceNames(of: [])
    private var namesReadAt: UInt64 = 0

    /// Bytes of one reader's ring.
    private static let ringSize = UInt32(BH_RING_SIZE)

    /// How many images are kept, the newest included; older ones are for events that they judged.
    private static let imagesKept = 4

    fileprivate init(
        _ instance: String, _ maps: InstanceMaps, slot number: UInt32, lock: consuming FileLock, filter: EventFilter
    ) throws(DatapathError) {
        self.instance = instance
        do throws(BPFError) {
            let ring = try Map(
                type: BPF_MAP_TYPE_RINGBUF, name: "bulkhead_events", keySize: 0, valueSize: 0,
                maxEntries: EventReader.ringSize)
            self.ring = try RingBuffer(ring)
            try maps[.rings].update(number, to: ring)
            slot = ReaderSlot(
                number: number, lock: lock, mapping: try Mapping(maps[.readers], writable: true), maps: maps,
                filter: filter)
        } catch {
            throw DatapathError("cannot read events", error)
        }
        images = slot.images().reversed()
        let slot = slot
        // A thread renews the lease, so that it holds even while nobody reads the stream.
        ticker = try Ticker { slot.renew() }
        slot.renew()
    }

    deinit {
        ticker.take()?.stop()
        slot.stop()
    }

    /// Hands over events in batches, in the order of the ring, until `body` returns false. A batch comes at least every
    /// 50 ms, empty if need be, so that `body` can decide to stop. Blocks the calling thread. If `body` is slow, the
    /// ring fills up, and events that find no room are counted as lost.
    public func read(_ body: ([Event]) throws -> Bool) throws {
        while true {
            let events = try nextBatch()
            guard try body(events) else { return }
        }
    }

    /// Waits at most 50 ms for events, and returns all that are there.
    ///
    /// - Throws: where the instance is out of the kernel, after the last event. What is applied then is another one.
    public func nextBatch() throws(DatapathError) -> [Event] {
        // Asked before the wait, so that nothing can come after it.
        let isOver = slot.isRemoved
        // Before the wait, so that an image that is replaced during it can still name the events that it judged.
        keepImageInForce()
        var raw: [bh_event] = []
        do {
            try ring.poll(milliseconds: 50) { record in
                if let event = record.load(bh_event.self) { raw.append(event) }
            }
        } catch {
            throw DatapathError("cannot read events", error)
        }
        if isOver, raw.isEmpty {
            throw DatapathError(
                "instance '\(instance)' was taken out of the kernel: no more drops will come",
                advice: "start 'bulkhead drops' again when a policy is in force")
        }
        let offset = EventReader.clockOffset()
        if !raw.isEmpty { refreshNames() }
        return raw.compactMap { Event($0, clockOffset: offset, image: image($0.judgement.generation), names: names) }
    }

    private func refreshNames() {
        let now = KernelClock.nanoseconds()
        guard now &- namesReadAt >= 1_000_000_000 else { return }
        namesReadAt = now
        names = DeviceNames(of: images.flatMap { $0.devices() })
    }

    /// The image of a generation; nil if it was replaced before it could be read.
    private func image(_ generation: UInt32) -> LiveImage? {
        if let known = images.last(where: { $0.generation == generation }) { return known }
        keepImageInForce()
        return images.last { $0.generation == generation }
    }

    private func keepImageInForce() {
        if let newest = images.last, slot.isInForce(newest) { return }
        // That in force last; a trial's base may be known already, and judges again later.
        for image in slot.images().reversed() {
            images.removeAll { $0.generation == image.generation }
            images.append(image)
        }
        if images.count > EventReader.imagesKept { images.removeFirst(images.count - EventReader.imagesKept) }
    }

    /// What to add to the monotonic clock to get nanoseconds since 1970.
    private static func clockOffset() -> UInt64 {
        KernelClock.nanoseconds(CLOCK_REALTIME) &- KernelClock.nanoseconds(CLOCK_MONOTONIC)
    }
}

extension Instance {
    /// Starts a stream of events.
    ///
    /// - Throws: if a name of the filter is unknown, or all slots are taken.
    public func events(_ filter: EventFilter = EventFilter()) throws(DatapathError) -> EventReader {
        let maps = try openMaps(.maps)
        let image = try imageInForce(maps)
        if let problem = filter.problem(in: image) { throw problem }
        for slot in 0..<UInt32(BH_READERS_MAX) {
            let folder = readerFolder.folder("\(slot)")
            try folder.make()
            guard let lock = try folder.lock() else { continue }
            return try EventReader(name, maps, slot: slot, lock: lock, filter: filter)
        }
        throw DatapathError(
            "\(BH_READERS_MAX) event streams of instance '\(name)' are being read already",
            advice: "end one of them (another 'bulkhead drops') first")
    }
}

/// A reader's entry in the kernel: the filter, and the time until which it holds. A thread renews it every second; if
/// that stops, the kernel switches the reader off.
private final class ReaderSlot: Sendable {
    private let number: UInt32
    private let lock: FileLock
    private let mapping: Mapping
    private let maps: InstanceMaps
    private let filter: EventFilter
    private let isActive = Mutex(true)

    /// Nanoseconds that a reader counts as alive after it renewed its entry.
    private static let lease: UInt64 = 3_000_000_000

    init(
        number: UInt32, lock: consuming FileLock, mapping: consuming Mapping, maps: InstanceMaps,
        filter: EventFilter
    ) {
        self.number = number
        self.lock = lock
        self.mapping = mapping
        self.maps = maps
        self.filter = filter
    }

    /// The images that may judge, that in force first.
    func images() -> [LiveImage] { (try? LiveImage.allPublished(in: maps)) ?? [] }

    func isInForce(_ image: LiveImage) -> Bool { image.isPublished(in: maps) }

    /// Whether the folder that it has locked is gone, and so the instance.
    var isRemoved: Bool { lock.isRemoved }

    func stop() {
        isActive.withLock { isActive in
            isActive = false
            mapping.store(bh_reader().flags, in: \bh_reader.flags, at: offset)
        }
        try? noteReaders()
        try? maps[.rings].delete(number)
    }

    /// Writes the filter, with its names looked up in the policies that may judge, and a new time of expiry.
    func renew() {
        var raw = filter.raw(in: images())
        raw.expires = KernelClock.nanoseconds() + ReaderSlot.lease
        let flags = raw.flags
        isActive.withLock { isActive in
            guard isActive else { return }
            // The filter and the time first, then the flags that make the kernel use them.
            raw.flags = mapping.load(\bh_reader.flags, at: offset) ?? 0
            mapping.store(raw, at: offset)
            atomicMemoryFence(ordering: .releasing)
            mapping.store(flags, in: \bh_reader.flags, at: offset)
        }
        try? noteReaders()
    }

    /// Tells the programs whether any reader may want drops. One that died stays noted until the next one comes or
    /// goes.
    private func noteReaders() throws(BPFError) {
        let stamp = try Stamp(maps)
        var (flags, noted) = (readerFlags, UInt32(0))
        // One that comes meanwhile may have been noted before this.
        repeat {
            stamp.setReaders(flags != 0, narrow: flags & BH_READER_NARROW.rawValue != 0)
            (flags, noted) = (readerFlags, flags)
        } while flags != noted
    }

    /// The flags that some reader has.
    private var readerFlags: UInt32 {
        (0..<Int(BH_READERS_MAX)).reduce(0) { flags, slot in
            flags | (mapping.load(\bh_reader.flags, at: slot * MemoryLayout<bh_reader>.stride) ?? 0)
        }
    }

    private var offset: Int { Int(number) * MemoryLayout<bh_reader>.stride }
}
