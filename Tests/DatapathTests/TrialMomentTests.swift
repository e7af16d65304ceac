// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Control
import Foundation
import Glibc
import Host
import Libbpf
import Network
import TestSupport
import Testing

@testable import Datapath

/// The moments at which a trial begins and ends, as the programs see them.
@Suite(.serialized) struct TrialMomentTests {
    private let lab: Lab
    private let host: Namespace
    private let instance: Instance

    init() throws {
        lab = try Lab()
        host = try lab.namespace("host")
        try lab.veth((host, "nic0"), (host, "far0"))
        try lab.veth((host, "nic1"), (host, "far1"))
        let instance = try Instance(lab.id)
        self.instance = instance
        lab.atEnd { _ = try? instance.detachAll() }
    }

    @discardableResult
    private func apply(
        _ rule: String, ports: [Int] = [0], trial: Int? = nil
    ) throws -> UInt32 {
        let lines = ports.map { "  p\($0): { interface: nic\($0), netns: \"\(host.name)\", protects: host, mode: tc }" }
        let path = try lab.file(
            "policy.yaml",
            """
            version: 1
            ports:
            \(lines.joined(separator: "\n"))
            rules:
              - { name: r, \(rule) }

            """)
        return try PreparedPolicy(PolicySource(path: path, for: nil, requiresDevices: true))
            .apply(to: instance, ApplyNote(person: .current), trial: trial).generation
    }

    private func device(_ name: String) throws -> UInt16 {
        let images = try LiveImage.allPublished(in: try instance.openMaps())
        return try #require(images.flatMap { $0.devices() }.first { $0.interface == name }).id
    }

    private func end(in nanoseconds: UInt64) throws {
        let mapping = try Mapping(instance.openMaps()[.stamp], writable: true)
        mapping.store(KernelClock.nanoseconds(CLOCK_BOOTTIME) + nanoseconds, in: \bh_stamp.until)
    }

    private static let probe = Frame(Datagram("192.0.2.1", "198.51.100.1", .udp(40_000, 1000))).padded(to: 64)

    /// At the moment of its end a trial is confirmed or over, and never both: nobody sees the base before a `confirm`
    /// that is done.
    @Test func confirmAtTheMomentOfTheEnd() throws {
        let base = try apply("service: udp/1000, action: drop")
        let judge = try TrialJudge(instance)
        let device = try device("nic0")
        var (confirmed, late) = (0, 0)
        var random = RandomNumbers(seed: 11)
        var inForce = base
        for round in 0..<60 {
            let accepts = round % 2 == 0
            let trial = try apply(
                "service: udp/1000, action: \(accepts ? "accept, stateless: true" : "drop")", trial: 3600)
            try end(in: UInt64.random(in: 0...3_000_000, using: &random))
            let seen = Background { isStopped in
                var seen: [UInt32] = []
                while !isStopped() { seen.append(try judge.judge(device, Self.probe).generation) }
                return seen
            }
            let isKept = (try? instance.confirm(trial)) != nil
            let after = try seen.stop()
            if isKept {
                confirmed += 1
                #expect(after.allSatisfy { $0 == trial }, "round \(round)")
                inForce = trial
            } else {
                late += 1
                let first = after.firstIndex(of: inForce) ?? after.endIndex
                #expect(after[..<first].allSatisfy { $0 == trial } && after[first...].allSatisfy { $0 == inForce })
            }
            #expect(try judge.judge(device, Self.probe).generation == inForce)
            #expect(try instance.generationInForce() == inForce)
        }
        print("\(confirmed) confirmed, \(late) late")
    }

    /// A connection that was there is adopted by the base once its trial has ended, also if nothing is done after the
    /// swap; and not before.
    @Test func theBaseAdoptsOnlyAfterItsTrial() throws {
        try apply("service: udp/1000, action: drop", ports: [0, 1])
        // Another policy, so that nothing is adopted any more.
        let base = try apply("service: tcp/80, action: accept", ports: [0, 1])
        let judge = try TrialJudge(instance)
        let (kept, spared) = (try device("nic0"), try device("nic1"))
        func segment(_ source: UInt16) -> Frame {
            Frame(
                Datagram(
                    "192.0.2.1", "198.51.100.1",
                    .tcp(source, 80, flags: Segment.TCPFlag.ack, sequence: 1, acknowledgement: 1))
            ).padded(to: 64)
        }
        let invalid = BH_REASON_INVALID_STATE.rawValue
        let adopted = BH_REASON_ADOPTED.rawValue
        #expect(try judge.judge(spared, segment(1001)).reason == invalid)
        let maps = try instance.openMaps()
        // An apply that is killed just before the swap.
        try LiveImage.withPublished(in: maps) { map in
            let image = try LiveImage(map)
            let mapping = try Mapping(map, writable: true)
            for device in image.devices() {
                let place = Int(image.view.header.devices) + Int(device.id) * MemoryLayout<bh_device>.stride
                mapping.store(
                    UInt8((BH_DEVICE_SPARED.rawValue | BH_DEVICE_UNTRACKED.rawValue)), in: \bh_device.flags, at: place)
            }
        }
        try Stamp(maps).noteChange()
        #expect(try judge.judge(spared, segment(1002)).reason == invalid)
        #expect(try judge.judge(kept, segment(1002)).reason == invalid)
        let trial = try apply("service: tcp/80, action: accept, stateless: true", trial: 3600)
        #expect(try judge.judge(spared, segment(1003)).generation == 0)
        #expect(try judge.judge(kept, segment(1003)) == .init(generation: trial, accepts: true))
        try end(in: 0)
        for device in [kept, spared] {
            let said = try judge.judge(device, segment(1004))
            #expect(said.generation == base && said.accepts && said.reason == adopted)
        }
        // And once it is settled.
        #expect(try instance.endTrial()?.hadEnded == true)
        for device in [kept, spared] {
            let said = try judge.judge(device, segment(1005))
            #expect(said.generation == base && said.accepts && said.reason == adopted)
        }
    }

    /// Nothing that the front learnt under one image is used under the other.
    @Test func nothingIsLearntAcrossTheEnd() throws {
        let base = try apply("service: udp/1000, action: accept, stateless: true")
        let judge = try TrialJudge(instance)
        let device = try device("nic0")
        for _ in 0..<20 {
            for _ in 0..<4 { #expect(try judge.judge(device, Self.probe) == .init(generation: base, accepts: true)) }
            let trial = try apply("service: udp/1000, action: drop", trial: 3600)
            for _ in 0..<4 { #expect(try judge.judge(device, Self.probe) == .init(generation: trial, accepts: false)) }
            try end(in: 0)
        }
    }
}
