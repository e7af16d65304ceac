// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Compiler
import Glibc
import Host
import Libbpf
import Policy
import Synchronization

/// A shadow: for as long as it lives, the kernel asks another policy about each packet that the policy in force judges.
/// It ends with the process, and no pin holds anything of it.
public final class ShadowReader {
    /// Why a shadow is over.
    public enum End: Sendable, Hashable {
        /// Another policy judges now.
        case replaced(by: UInt32)
        /// The instance is out of the kernel.
        case removed
    }

    /// The generation that the shadow is compared with.
    public let generation: UInt32
    /// Ports of the shadow's policy that are not filtered now.
    public let unseen: [String]
    /// Ports in force that the shadow's policy does not have.
    public let dropped: [String]

    private let names: ShadowNames
    private let programs: ShadowPrograms
    private let lease: ShadowLease
    private var ring: RingBuffer
    private var ticker: Ticker?
    private let lock: FileLock
    private let maps: InstanceMaps
    private let clockOffset: UInt64
    private let devices: DeviceNames

    fileprivate init(
        _ maps: InstanceMaps, _ live: LiveImage, _ image: ShadowImage, lock: consuming FileLock
    ) throws(BPFError) {
        generation = live.generation
        (unseen, dropped) = (image.unseen, image.dropped)
        names = ShadowNames(live, image.view)
        devices = DeviceNames(of: live.devices())
        self.maps = maps
        self.lock = lock
        clockOffset = KernelClock.nanoseconds(CLOCK_REALTIME) &- KernelClock.nanoseconds(CLOCK_MONOTONIC)
        programs = try ShadowPrograms(maps, try maps.settings())
        ring = try RingBuffer(programs[.ring])
        try programs.use(try image.generation.load())
        lease = try ShadowLease(programs, maps, generation: live.generation)
        try standBehindMainPrograms()
    }

    deinit { stop() }

    private func standBehindMainPrograms() throws(BPFError) {
        let mains: [(MapName, UInt32, ShadowPrograms.Place)] = [
            (.tcPrograms, HookName.tcIngress.number, .tcIngress), (.tcPrograms, HookName.tcEgress.number, .tcEgress),
            (.xdpPrograms, HookName.xdp.number, .xdp), (.genericPrograms, 0, .xdpGeneric),
        ]
        for (map, index, place) in mains {
            guard let id = try maps[map].lookup(index, as: UInt32.self) else { continue }
            try programs.stand(behind: try Program(id: id, name: "\(map.rawValue) \(index)"), at: place)
        }
    }

    /// Has packets asked about from now on.
    fileprivate func start() throws(DatapathError) {
        lease.renew()
        let lease = lease
        ticker = try Ticker { lease.renew() }
    }

    /// Ends it: no packet is asked about any more. What was said stays to be read.
    public func stop() {
        ticker.take()?.stop()
        lease.end()
        programs.remove()
    }

    /// Why no more packets are compared; nil: they are.
    public var end: End? {
        if lock.isRemoved { return .removed }
        if names.live.isPublished(in: maps) { return nil }
        let image = try? LiveImage.published(in: maps)
        return image.map { .replaced(by: $0.generation) } ?? .removed
    }

    /// Waits at most 50 ms for packets that would be judged otherwise, and returns all that are there.
    public func nextBatch() throws(DatapathError) -> [ShadowEvent] {
        var raw: [bh_shadow_event] = []
        do throws(BPFError) {
            // A packet that finds no program takes the flag back.
            if try programs.putBack() { lease.renew() }
            try ring.poll(milliseconds: 50) { record in
                if let event = record.load(bh_shadow_event.self) { raw.append(event) }
            }
        } catch {
            throw DatapathError("cannot read what the shadow says", error)
        }
        return raw.compactMap(event)
    }

    private func event(_ raw: bh_shadow_event) -> ShadowEvent? {
        var old = raw.event
        old.judgement = names.completed(old.judgement)
        guard let event = Event(old, clockOffset: clockOffset, image: names.live, names: devices),
            let verdict = names.verdict(raw.shadow, mayBe: raw.may != 0)
        else { return nil }
        return ShadowEvent(event: event, shadow: verdict)
    }

    public func counts() throws(DatapathError) -> ShadowCounts {
        do throws(BPFError) {
            return try programs.counts()
        } catch {
            throw DatapathError("cannot read what the shadow has counted", error)
        }
    }

    /// What would change, by what both policies say, the most packets first.
    public func totals() throws(DatapathError) -> [ShadowTotal] {
        do throws(BPFError) {
            let totals = try programs.totals().compactMap { names.total($0.pair, $0.total) }
            return totals.sorted { ($0.packets, $0.bytes) > ($1.packets, $1.bytes) }
        } catch {
            throw DatapathError("cannot read what the shadow has counted", error)
        }
    }
}

/// Says in the kernel until when somebody waits for what a shadow says.
private final class ShadowLease: Sendable {
    private let mapping: Mapping
    private let maps: InstanceMaps
    private let isActive = Mutex(true)

    /// Nanoseconds that it holds after it was renewed.
    private static let time: UInt64 = 3_000_000_000

    init(_ programs: ShadowPrograms, _ maps: InstanceMaps, generation: UInt32) throws(BPFError) {
        mapping = try Mapping(programs[.lease], writable: true)
        mapping.store(generation, in: \bh_shadow_lease.generation)
        self.maps = maps
    }

    func renew() {
        isActive.withLock { isActive in
            guard isActive else { return }
            mapping.store(KernelClock.nanoseconds() + ShadowLease.time, in: \bh_shadow_lease.expires)
            // The programs end a shadow of which they have heard nothing for a while.
            try? Stamp(maps).setShadow(true)
        }
    }

    func end() {
        isActive.withLock { isActive in
            guard isActive else { return }
            isActive = false
            try? Stamp(maps).setShadow(false)
        }
    }
}

extension Instance {
    /// Starts to ask another policy about the packets that the policy in force judges.
    ///
    /// - Parameters:
    ///   - image: The policy, compiled.
    ///   - bindings: Its entries bound to devices.
    /// - Throws: if another shadow runs already.
    public func shadow(image: Image, bindings: [PortBinding]) throws(DatapathError) -> ShadowReader {
        let maps = try openMaps(.unpinned)
        let live = try imageInForce(maps)
        let folder = try held().readerFolder.folder("shadow")
        try folder.make()
        guard let lock = try folder.lock() else {
            throw DatapathError(
                "a shadow of instance '\(name)' is running already",
                advice: "end the other 'bulkhead shadow' first: there can be one at a time")
        }
        do {
            guard try maps.state().programs == Programs.hash else {
                throw DatapathError(
                    "the programs in the kernel are those of another version of bulkhead",
                    advice: "put this version's in place with 'bulkhead apply --in-force', then try again")
            }
            let shadow = try ShadowImage(image, bindings, asked: live)
            let reader = try ShadowReader(maps, live, shadow, lock: lock)
            try reader.start()
            return reader
        } catch let error as DatapathError {
            throw error
        } catch let error as BPFError {
            throw DatapathError("cannot start the shadow", error)
        } catch {
            throw DatapathError("cannot start the shadow: \(error)")
        }
    }
}
