// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Foundation
import Host
import Libbpf
import Policy
import TestSupport
import Testing

@testable import Datapath

extension Instance {
    /// The number of attached programs, whether by links or by filters.
    fileprivate var pinCount: Int { get throws { try linkFolder.names.count + filterFolder.names.count } }
}

/// Failures on a host: devices that go, programs of others, two applies at once, an apply that was killed. The policy
/// in force stays as it was, and the message says what to do.
@Suite struct RobustnessTests {
    @Test func aHostPortIsGuardedByXDPToo() throws {
        let lab = try GuestLab()
        var policy = TestPolicy()
        policy.port("uplink", interface: "tap0", namespace: lab.host.name, protects: .host)
        let report = try policy.apply(lab.instance)
        #expect(report.ports.map(\.mode) == [.xdpNative])
        #expect(try lab.instance.status().ports.map(\.hooks) == [["xdp", "tc-ingress", "tc-egress"]])
        // The mode is gone with the next policy, and so is its program.
        policy.entries[0].mode = .tc
        policy.rule("any", nil, .accept)
        #expect(try policy.apply(lab.instance).ports.map(\.mode) == [.tc])
        #expect(try lab.instance.status().ports.map(\.hooks) == [["tc-ingress", "tc-egress"]])
        #expect(try lab.instance.pinCount == 2)
    }

    @Test func anotherProgramOnTheHookIsNotDisplaced() throws {
        let lab = try GuestLab()
        let other = try Instance("\(lab.lab.id)-other")
        lab.lab.atEnd { _ = try? other.detachAll() }
        var policy = TestPolicy()
        policy.port("uplink", interface: "tap0", namespace: lab.host.name, protects: .host)
        try policy.apply(other)

        let second = try policy.apply(lab.instance)
        #expect(second.ports.map(\.mode) == [.tc])
        #expect(second.warnings.contains { $0.contains("entry_xdp") && $0.contains("tc alone") }, "\(second.warnings)")
        let ahead = try #require(try other.status().ports.first?.ahead)
        #expect(ahead.contains { $0.hasPrefix("tc-ingress: program 'entry_tc_") }, "\(ahead)")
        #expect(try lab.instance.status().ports.first?.ahead.contains { $0.hasPrefix("xdp: ") } == true)

        policy.entries[0].mode = .xdp
        policy.rule("any", nil, .accept)
        let refusal = #expect(throws: DatapathError.self) { try policy.apply(lab.instance) }
        #expect(refusal?.message.contains("entry_xdp") == true)
        #expect(refusal?.advice?.contains("mode: tc") == true)
        #expect(try lab.instance.status().generation == 1)
        #expect(try other.status().ports.map(\.state) == [.enforcing])
    }

    @Test func clsactServesKernelsWithoutTCX() throws {
        let lab = try GuestLab()
        let instance = try Instance("\(lab.lab.id)-clsact", usesTCX: false)
        lab.lab.atEnd { _ = try? instance.detachAll() }
        var policy = lab.policy
        try policy.apply(instance)
        #expect(try !lab.ping())
        #expect(try instance.status().ports.map(\.hooks) == [["tc-ingress", "tc-egress"]])
        #expect(try !policy.apply(instance).changed)
        // Programs of another build, and a filter that a killed apply left.
        let maps = try instance.openMaps()
        var state = try maps.state()
        state.programs.0 ^= 1
        try maps[.instance].update(0, to: state)
        #expect(try policy.apply(instance).changed)
        #expect(try instance.status().ports.map(\.hooks) == [["tc-ingress", "tc-egress"]])
        let device = try #require(try instance.imageInForce(maps).devices().first)
        _ = try instance.detach(ports: ["guest"])
        let stray = Attachment(
            instance: instance, device: 9, interface: device.interfaceIndex, namespaceInode: device.namespaceInode,
            name: "tap0")
        try NetworkNamespace.with(lab.host.name) { () throws(DatapathError) in
            do throws(BPFError) {
                try stray.attachTC(.tcIngress, try stray.load([.tcIngress], maps: maps))
            } catch {
                throw DatapathError("attach", error)
            }
        }
        #expect(try instance.filterFolder.names.count == 1)
        try policy.apply(instance)
        #expect(try instance.filterFolder.names.allSatisfy { $0.hasPrefix("1-") })
        #expect(try instance.status().ports.map(\.hooks) == [["tc-ingress", "tc-egress"]])
        // Another tool's filters on the same qdisc stay.
        let other = try Instance("\(lab.lab.id)-clsact2", usesTCX: false)
        lab.lab.atEnd { _ = try? other.detachAll() }
        var open = lab.policy
        open.rule("any", nil, .accept)
        try open.apply(other)
        #expect(try instance.status().ports.first?.ahead.filter { $0.contains("'entry_tc_") }.count == 2)
        #expect(try other.status().ports.first?.ahead == [])
        policy.rule("any", nil, .accept)
        try policy.apply(instance)
        #expect(try lab.ping())
        _ = try instance.detachAll()
        let left = try lab.host.run("tc", "filter", "show", "dev", "tap0", "ingress")
        #expect(left.split(separator: "\n").filter { $0.contains("entry_tc_") }.count == 1, "\(left)")
        #expect(try other.status().ports.map(\.state) == [.enforcing])
    }

    @Test func aVanishedInterfaceLeavesTheOldPolicy() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        try policy.apply(lab.instance)
        try lab.lab.veth((lab.host, "tap1"), (lab.guest, "eth1"))
        policy.port("late", interface: "tap1", namespace: lab.host.name)
        let bindings = try policy.bindings()
        try lab.host.run("ip", "link", "delete", "tap1")
        let error = #expect(throws: DatapathError.self) {
            try lab.instance.apply(image: policy.compile(), bindings: bindings)
        }
        #expect(error?.message.contains("tap1") == true)
        #expect(error?.message.contains("vanished") == true)
        let status = try lab.instance.status()
        #expect(status.generation == 1)
        #expect(status.ports.map(\.state) == [.enforcing])
        #expect(try lab.instance.pinCount == 2)
        // Its generation number is not used again; another installation starts anew.
        policy.entries.removeLast()
        policy.rule("any", nil, .accept)
        #expect(try policy.apply(lab.instance).generation == 3)
        _ = try lab.instance.detachAll()
        #expect(try policy.apply(lab.instance).generation == 1)
    }

    @Test func aMissingDeviceIsTakenInWhenItComes() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.port("late", interface: "tap1", namespace: lab.host.name)
        #expect(try policy.apply(lab.instance).ports.map(\.mode) == [.tc, nil])
        #expect(try lab.instance.status().ports.map(\.state) == [.enforcing, .missing])
        #expect(try !policy.apply(lab.instance).changed)
        try lab.lab.veth((lab.host, "tap1"), (lab.guest, "eth1"))
        let report = try policy.apply(lab.instance)
        #expect(report.changed)
        #expect(report.ports.map(\.mode) == [.tc, .tc])
        // When the device goes, the kernel detaches the programs, and status says so.
        try lab.host.run("ip", "link", "delete", "tap1")
        #expect(try lab.instance.status().ports.map(\.state) == [.enforcing, .missing])
        #expect(try policy.apply(lab.instance).ports.map(\.mode) == [.tc, nil])
        #expect(try lab.instance.pinCount == 2)
    }

    @Test func aNamespaceThatIsGoneIsNoObstacle() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        try policy.apply(lab.instance)
        try Shell.check("ip", "netns", "delete", lab.host.name)
        let status = try lab.instance.status()
        #expect(status.ports.map(\.port.name) == ["guest"])
        policy.rule("any", nil, .accept)
        #expect(try policy.apply(lab.instance).ports.map(\.mode) == [nil])
        _ = try lab.instance.detachAll()
    }

    @Test(arguments: [true, false]) func aRenamedDeviceIsStillGuarded(_ usesTCX: Bool) throws {
        let lab = try GuestLab()
        // Without TCX in the kernel both are filters of clsact.
        let instance = try Instance("\(lab.lab.id)-renamed", usesTCX: usesTCX && lab.instance.usesTCX)
        lab.lab.atEnd { _ = try? instance.detachAll() }
        var policy = lab.policy
        try policy.apply(instance)
        try lab.host.run("ip", "link", "set", "tap0", "down")
        try lab.host.run("ip", "link", "set", "tap0", "name", "tap9")
        try lab.host.run("ip", "link", "set", "tap9", "up")
        policy.entries[0].selector = .interfaces(["tap9"])
        #expect(try policy.apply(instance).ports.map(\.mode) == [.tc])
        #expect(try instance.pinCount == 2)
        #expect(try instance.status().ports.map(\.ahead) == [[]])
        #expect(try !lab.ping())
    }

    @Test func twoAppliesAtOnce() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let lock = try lab.instance.lock(make: false)
        let refusal = #expect(throws: DatapathError.self) { try lab.policy.apply(lab.instance) }
        #expect(refusal?.message.contains("another bulkhead") == true)
        #expect(refusal?.message.contains("process \(getpid()), ") == true, "\(refusal?.message ?? "")")
        _ = consume lock
        #expect(try !lab.policy.apply(lab.instance).changed)
    }

    @Test(arguments: [(0x27, 290_275, 19_248), (0x27, 290_276, nil), (0x28, 290_275, nil), (0xfe01, 7, 12)])
    func theHolderOfALockIsFound(device: UInt64, inode: UInt64, process: Int32?) {
        let locks = """
            1: POSIX  ADVISORY  WRITE 17270 00:27:290275 0 EOF
            2: FLOCK  ADVISORY  WRITE 19248 00:27:290275 0 EOF
            2: -> FLOCK  ADVISORY  WRITE 5 00:27:290275 0 EOF
            3: FLOCK  ADVISORY  READ 12 fe:01:7 0 EOF
            """
        #expect(LockHolder.process(in: locks, device: device, inode: inode) == process)
    }

    /// What an apply leaves if it is killed after attaching and before publishing.
    @Test func anInterruptedApplyIsCleanedUp() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.rule("any", nil, .accept)
        try policy.apply(lab.instance)
        let maps = try lab.instance.openMaps()
        try lab.lab.veth((lab.host, "tap1"), (lab.guest, "eth1"))
        let space = try #require(try HostInventory.read(namespaces: [lab.host.name]).namespaces[lab.host.name])
        let index = try #require(space.interfaces.first { $0.name == "tap1" }?.index)
        let inode = try #require(NetworkNamespace.inode(lab.host.name))
        let stray = Attachment(
            instance: lab.instance, device: 77, interface: index, namespaceInode: inode, name: "tap1")
        try NetworkNamespace.with(lab.host.name) { () throws(DatapathError) in
            do throws(BPFError) {
                let object = try stray.load([.tcIngress, .xdp], maps: maps)
                try stray.attachTC(.tcIngress, object)
                try stray.attachXDP(native: true, object)
            } catch {
                throw DatapathError("attach", error)
            }
        }
        #expect(try lab.instance.pinCount == 4)
        // A device without a record passes everything, and that is counted.
        try lab.lab.address(lab.host, "tap1", "198.51.100.1/24")
        try lab.lab.address(lab.guest, "eth1", "198.51.100.2/24")
        #expect(try lab.ping("198.51.100.1"))
        #expect(try lab.instance.counters().events.unjudged > 0)
        #expect(try !policy.apply(lab.instance).changed)
        #expect(try lab.instance.pinCount == 2)
    }

    @Test func anotherBuildsProgramsAreReplacedInPlace() throws {
        let lab = try GuestLab()
        let policy = lab.policy
        try policy.apply(lab.instance)
        let before = try lab.instance.status()
        let maps = try lab.instance.openMaps()
        var state = try maps.state()
        state.programs.0 ^= 1
        try maps[.instance].update(0, to: state)
        let report = try policy.apply(lab.instance)
        #expect(report.changed)
        #expect(report.generation == before.generation + 1)
        #expect(try lab.instance.status().ports == before.ports)
        #expect(try !policy.apply(lab.instance).changed)
        #expect(try !lab.ping())
    }

    /// Generic XDP has its own programs, which are loaded only if a device needs them.
    @Test func genericXDPIsReplacedInPlace() throws {
        let lab = try GuestLab()
        // More queues than the host's end has, so its driver refuses a native program.
        try lab.guest.run("ethtool", "-L", "eth0", "tx", "2")
        var policy = TestPolicy()
        policy.port("uplink", interface: "tap0", namespace: lab.host.name, protects: .host, mode: .xdp, in: .accept)
        #expect(try policy.apply(lab.instance).ports.map(\.mode) == [.xdpGeneric])
        let maps = try lab.instance.openMaps()
        let first = try #require(try maps[.genericPrograms].lookup(0, as: UInt32.self))
        #expect(try lab.ping())
        var state = try maps.state()
        state.programs.0 ^= 1
        try maps[.instance].update(0, to: state)
        #expect(try policy.apply(lab.instance).ports.map(\.mode) == [.xdpGeneric])
        let second = try #require(try maps[.genericPrograms].lookup(0, as: UInt32.self))
        #expect(second != first)
        #expect(try lab.ping())
        // Another policy of the same build loads no programs.
        policy.rule("any", nil, .accept)
        try policy.apply(lab.instance)
        #expect(try maps[.genericPrograms].lookup(0, as: UInt32.self) == second)
        #expect(try lab.instance.status().ports.map(\.state) == [.enforcing])
    }

    @Test func mapsOfAnotherLayoutAreRefused() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let maps = try lab.instance.openMaps()
        var state = try maps.state()
        state.programs.0 ^= 1
        try maps[.instance].update(0, to: state)
        try lab.instance.mapFolder.unpin("scratch")
        let other = try Map(type: BPF_MAP_TYPE_ARRAY, name: "scratch", valueSize: 16, maxEntries: 1)
        try other.pin(at: lab.instance.mapFolder / "scratch")
        let refusal = #expect(throws: DatapathError.self) { try lab.policy.apply(lab.instance) }
        #expect(refusal?.message.contains("another version") == true)
        #expect(refusal?.advice?.contains("detach --all") == true)
    }

    @Test func onePortIsDetachedAndComesBack() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        #expect(throws: DatapathError.self) { try lab.instance.detach(ports: ["gest"]) }
        #expect(try lab.instance.detach(ports: ["tap0"]).ports == ["guest"])
        #expect(try lab.ping())
        #expect(try lab.instance.status().ports.map(\.state) == [.detached])
        #expect(try lab.policy.apply(lab.instance).changed)
        #expect(try !lab.ping())
    }

    @Test func whatIsReadDuringAppliesIsWhole() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let instance = lab.instance
        let reading = Background { isStopped in
            var generations: [UInt32] = []
            while !isStopped() {
                let policy = try instance.policyInForce()
                // Generation n has n - 1 rules.
                #expect(policy.rules.count == Int(policy.generation) - 1)
                #expect(try instance.status().ports.map(\.state) == [.enforcing])
                generations.append(policy.generation)
            }
            return generations
        }
        var policy = lab.policy
        for number in 1...30 {
            policy.rule("r\(number)", nil, .accept)
            #expect(try policy.apply(lab.instance).generation == UInt32(number + 1))
        }
        let seen = try reading.stop()
        #expect(seen == seen.sorted())
        #expect(Set(seen).count > 1)
    }

    @Test func countersFollowTheRulesName() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.rule("a", [.icmp(.v6, type: 128, code: nil)], .accept)
        policy.rule("ping", [.icmp(.v4, type: nil, code: nil)], .accept)
        try policy.apply(lab.instance)
        #expect(try lab.ping())
        policy.rules.remove(at: 0)
        policy.rule("b", nil, .drop)
        try policy.apply(lab.instance)
        let counters = try lab.instance.counters()
        #expect(counters.rules.map(\.name) == ["ping", "b"])
        #expect(counters.rules[0].count.packets == 2)
        #expect(counters.ports.reduce(0) { $0 + $1.accepted.packets } >= 2)
    }

    @Test func aNameOutsideTheFileSystemIsRefused() {
        for name in ["", ".", "..", "a.b", "a/b", "ä", String(repeating: "x", count: 65)] {
            #expect(throws: DatapathError.self) { try Instance(name) }
        }
    }
}
