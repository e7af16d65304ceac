// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf
import Network
import Policy
import TestSupport
import Testing

@testable import Datapath

/// A change of policy is atomic for every packet. While two policies that differ in every verdict keep replacing each
/// other, each packet is judged by one of them as a whole.
@Suite struct SwapTests {
    private static let count = 64

    /// The number of packets; more if the environment asks for it.
    private static let packets = Seed.count("BULKHEAD_SWAP_PACKETS", usual: 200_000)

    @Test func noPacketIsJudgedByAMixture() throws {
        let lab = try Lab()
        let host = try lab.namespace("host")
        try lab.veth((host, "nic0"), (host, "far"))
        let instance = try Instance(lab.id)
        lab.atEnd { _ = try? instance.detachAll() }
        let policies = [SwapTests.policy(isFirst: true, host), SwapTests.policy(isFirst: false, host)]
        try policies[0].apply(instance)
        let judge = try Judge(instance)
        let swapper = Background { isStopped in try SwapTests.swap(instance, policies, isStopped) }
        var seen: Set<UInt32> = []
        var wrong: [String] = []
        var number = 0
        while number < SwapTests.packets || seen.count < 10, wrong.count < 10, !swapper.isDone {
            let service = number &* 7919 % SwapTests.count
            let judgement = try judge.judge(service)
            seen.insert(judgement.generation)
            if !SwapTests.isWhole(judgement, service) { wrong.append("\(service): \(judgement)") }
            number += 1
        }
        let swaps = try swapper.stop()
        #expect(wrong == [])
        #expect(swaps > 20)
        print("\(number) packets under \(swaps) changes of policy, judged by \(seen.count) generations")
    }

    /// Keeps replacing one policy by the other: by an apply, and many times between two applies by its last step alone.
    private static func swap(_ instance: Instance, _ policies: [TestPolicy], _ isStopped: () -> Bool) throws -> Int {
        let maps = try instance.openMaps()
        func inForce() throws -> Map {
            let id = try maps[.slots].lookup(try maps.slotInForce(), as: UInt32.self)
            return try Map(id: try #require(id), name: "generation")
        }
        var current = try inForce()
        var swaps = 0
        while !isStopped() {
            let previous = current
            swaps += 1
            try policies[swaps % 2].apply(instance)
            current = try inForce()
            for _ in 0..<20 {
                try maps.putInForce(previous)
                try maps.putInForce(current)
            }
        }
        return swaps * 41
    }

    /// UDP to port 1000 + n for each n. The second policy drops what the first accepts, by a rule of another rank.
    private static func policy(isFirst: Bool, _ host: Namespace) -> TestPolicy {
        var policy = TestPolicy()
        policy.port(
            "nic", interface: "nic0", namespace: host.name, protects: .host, mode: .tc)
        if !isFirst { policy.rule("filler", [.protocol(47)], .drop) }
        for number in isFirst ? Array(0..<count) : (0..<count).reversed() {
            let port = UInt16(1000 + number)
            policy.rule(
                "\(isFirst ? "a" : "b")\(number)",
                [.ports(protocol: 17, destination: [port...port], source: [0...65535])],
                (number % 2 == 0) == isFirst ? .accept : .drop)
        }
        // Without flows, so that rules judge each packet.
        for index in policy.rules.indices { policy.rules[index].isStateless = policy.rules[index].action == .accept }
        return policy
    }

    /// Whether the verdict is that of the generation's policy. The first policy has the odd generations.
    private static func isWhole(_ judgement: bh_judgement, _ service: Int) -> Bool {
        let isFirst = judgement.generation % 2 == 1
        let accepts = (service % 2 == 0) == isFirst
        return judgement.rule == UInt32(isFirst ? service : count - service)
            && judgement.reason == BH_REASON_RULE.rawValue
            && judgement.verdict == (accepts ? BH_ACCEPT : BH_DROP).rawValue
    }
}

/// Runs tc ingress over an instance's own maps, and returns everything that it wrote about the packet.
private final class Judge {
    private let program: Program
    private let map: Map
    private let scratch: PerCPUValues<bh_scratch>
    private let frames: [[UInt8]]
    private let input: bh_scratch

    init(_ instance: Instance) throws {
        let maps = try instance.openMaps()
        let device = try #require(instance.status().ports.first?.device)
        let scratch = try PerCPUValues(maps[.scratch], repeating: bh_scratch())
        let program = try maps.loadProgram(.tcIngress, .simulated)
        var input = bh_scratch()
        input.device = UInt32(device)
        input.frame_length = 64
        // To find the CPU that the program ran on.
        input.judgement.verdict = BH_NONE
        self.program = program
        self.scratch = scratch
        self.input = input
        map = maps[.scratch]
        frames = (0..<64).map { service in
            Frame(Datagram("192.0.2.1", "198.51.100.1", .udp(40_000, UInt16(1000 + service)))).padded(to: 64).bytes
        }
    }

    func judge(_ service: Int) throws -> bh_judgement {
        try scratch.store(input, in: map, at: 0)
        _ = try program.testRun(frame: frames[service])
        try scratch.load(from: map, at: 0)
        let found = scratch.first { $0.judgement.verdict != BH_NONE }
        return try #require(found).judgement
    }
}
