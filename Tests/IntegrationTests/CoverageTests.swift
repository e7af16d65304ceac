// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// What `status` says while devices come, go and lose their programs, against what passes at that moment.
    @Suite(.serialized) struct CoverageTests {
        /// A bridge with two guests, each with a service that the policy does not admit.
        private final class Guests {
            let site: BridgeSite
            private var servers: [IPSocket] = []

            init(ports: String) throws {
                site = try BridgeSite()
                let policy = try site.lab.file(
                    "policy.yaml", "version: 1\nports:\n\(ports)\ndefaults: { in: drop, out: accept }\n")
                try site.bulkhead.apply(policy)
                try listen(site.a, "198.51.100.1")
                try listen(site.b, "198.51.100.2")
            }

            func listen(_ guest: Namespace, _ address: IPAddress) throws {
                servers.append(try IPSocket.bound(guest, .tcp, address, 81))
            }

            /// What a hypervisor does when a guest stops, and when it starts.
            func stopA() throws { try site.host.run("ip", "link", "delete", "vm-a") }

            func startA() throws {
                try site.lab.veth((site.a, "eth0"), (site.host, "vm-a"))
                try site.lab.address(site.a, "eth0", "198.51.100.1/24", "2001:db8:1::1/64")
                try site.host.run("ip", "link", "set", "vm-a", "master", "br0")
                // It has another MAC address now.
                try site.b.run("ip", "neigh", "flush", "all")
            }

            /// Whether what the policy drops reaches guest `a`.
            var isOpenA: Bool { site.b.connects(to: "198.51.100.1", 81) }

            func apply() throws {
                let folder = try site.lab.file("unused", "")
                try site.bulkhead.apply(
                    URL(filePath: folder).deletingLastPathComponent().appending(path: "policy.yaml").path)
            }

            func expect(
                _ port: String, _ state: String, check: Int32, sourceLocation: SourceLocation = #_sourceLocation
            ) throws {
                let status = try site.bulkhead.status()
                let found = try status.port(port)
                #expect(found.state == state, "\(found)", sourceLocation: sourceLocation)
                let result = try site.bulkhead.run("status", "--check")
                #expect(result.status == check, "\(result.output)\(result.errors)", sourceLocation: sourceLocation)
                #expect(result.output.contains(state), "\(result.output)", sourceLocation: sourceLocation)
            }

            /// What a command says besides its result.
            func errors(_ command: String) throws -> String { try site.bulkhead.run(command).errors }
        }

        private static let named = """
              a: { interface: vm-a, protects: workload }
              b: { interface: vm-b, protects: workload }
            """

        @Test func aGuestThatRestartsIsUnfilteredUntilTheNextApply() throws {
            let guests = try Guests(ports: Self.named)
            #expect(!guests.isOpenA)
            try guests.expect("a", "enforcing", check: 0)
            #expect(try guests.errors("counters").isEmpty)
            try guests.stopA()
            try guests.expect("a", "missing", check: 0)
            #expect(try guests.errors("counters").isEmpty, "a guest may be off")
            try guests.startA()
            #expect(guests.isOpenA)
            try guests.expect("a", "unfiltered", check: 3)
            let port = try guests.site.bulkhead.status().port("a")
            #expect(port.ifindex != nil && port.mode == nil && port.hooks.isEmpty, "\(port)")
            #expect(try guests.site.bulkhead.status().port("b").state == "enforcing")
            #expect(try guests.errors("counters").contains("warning: port 'a' is unfiltered"))
            try guests.apply()
            try guests.expect("a", "enforcing", check: 0)
            #expect(!guests.isOpenA)
        }

        @Test func aGuestThatWasOffAtTheApplyIsUnfilteredWhenItComes() throws {
            let site = try BridgeSite()
            try site.host.run("ip", "link", "delete", "vm-a")
            let policy = try site.lab.file("policy.yaml", "version: 1\nports:\n\(Self.named)\n")
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().port("a").state == "missing")
            #expect(try site.bulkhead.run("status", "--check").status == 0)
            try site.lab.veth((site.a, "eth0"), (site.host, "vm-a"))
            #expect(try site.bulkhead.status().port("a").state == "unfiltered")
            #expect(try site.bulkhead.run("status", "--check").status == 3)
        }

        /// The new device has the name that the policy names, and the old one is filtered under another.
        @Test func anotherDeviceMayTakeTheName() throws {
            let guests = try Guests(ports: Self.named)
            try guests.site.host.run("ip", "link", "set", "vm-a", "name", "vm-old")
            try guests.expect("a", "enforcing", check: 0)
            try guests.site.host.run("ip", "link", "add", "vm-a", "type", "veth", "peer", "name", "spare")
            try guests.expect("a", "unfiltered", check: 3)
            let port = try guests.site.bulkhead.status().port("a")
            #expect(port.interface == "vm-a")
            #expect(port.problems.contains { $0.contains("vm-old") && $0.contains("is filtered") }, "\(port.problems)")
        }

        @Test func aDetachedPortIsDetached() throws {
            let guests = try Guests(ports: Self.named)
            #expect(try guests.site.bulkhead.run("detach", "a").status == 0)
            #expect(guests.isOpenA)
            try guests.expect("a", "detached", check: 3)
            #expect(try guests.errors("counters").contains("warning: port 'a' is detached"))
            try guests.apply()
            try guests.expect("a", "enforcing", check: 0)
        }

        /// A program that somebody takes off, hook by hook: the links' pins stay where they are.
        @Test(arguments: ["tc-ingress", "tc-egress"]) func aHookThatLostItsProgram(hook: String) throws {
            let guests = try Guests(ports: Self.named)
            // Port `a` was bound first.
            try guests.site.bulkhead.takeOff(hook, ofDevice: 1, called: "vm-a")
            try guests.expect("a", "unfiltered", check: 3)
            let port = try guests.site.bulkhead.status().port("a")
            #expect(port.problems.contains { $0.contains(hook) }, "\(port.problems)")
            try guests.apply()
            try guests.expect("a", "enforcing", check: 0)
        }

        @Test func quarantineIsAsIntended() throws {
            let guests = try Guests(ports: Self.named)
            #expect(try guests.site.bulkhead.run("quarantine", "a").status == 0)
            try guests.expect("a", "quarantined", check: 0)
            // What is held by its name does not hold a device that came after the apply.
            try guests.stopA()
            try guests.startA()
            #expect(guests.isOpenA)
            try guests.expect("a", "unfiltered", check: 3)
            try guests.apply()
            try guests.expect("a", "quarantined", check: 0)
            #expect(!guests.isOpenA)
        }

        // MARK: Bridges and patterns

        @Test(arguments: ["{ bridge: br0 }", "{ interface: \"vm-*\", protects: workload }"])
        func aDeviceThatComesIsNamed(entry: String) throws {
            let guests = try Guests(ports: "  b: { interface: vm-b, protects: workload }\n  guests: \(entry)")
            let site = guests.site
            #expect(try site.bulkhead.status().port("guests/vm-a").uncovered == [])
            #expect(try site.bulkhead.status().port("b").uncovered == nil)
            let c = try site.lab.namespace("c")
            try site.lab.veth((c, "eth0"), (site.host, "vm-c"))
            try site.host.run("ip", "link", "set", "vm-c", "master", "br0")
            let port = try site.bulkhead.status().port("guests/vm-a")
            #expect(port.state == "enforcing")
            #expect(port.uncovered == ["vm-c"])
            let check = try site.bulkhead.run("status", "--check")
            #expect(check.status == 3)
            #expect(check.output.contains("pass unjudged: vm-c"), "\(check.output)")
            #expect(try guests.errors("counters").contains("warning: device 'vm-c' of 'guests' is unfiltered"))
            try guests.stopA()
            try guests.startA()
            #expect(try site.bulkhead.status().port("guests/vm-a").state == "unfiltered")
            #expect(Set(try site.bulkhead.status().port("guests/vm-a").uncovered ?? []) == ["vm-a", "vm-c"])
            try guests.apply()
            #expect(try site.bulkhead.status().port("guests/vm-c").uncovered == [])
            #expect(try site.bulkhead.run("status", "--check").status == 0)
        }

        @Test func theFirstMemberOfABridgeIsNamed() throws {
            let lab = try Lab()
            let (host, guest) = (try lab.namespace("host"), try lab.namespace("guest"))
            let bulkhead = Bulkhead(lab, in: host)
            try lab.bridge(host, "br0", ports: [])
            try bulkhead.apply(try lab.file("policy.yaml", "version: 1\nports: { guests: { bridge: br0 } }\n"))
            #expect(try bulkhead.status().port("guests/br0").state == "missing")
            #expect(try bulkhead.run("status", "--check").status == 0)
            try lab.veth((guest, "eth0"), (host, "vm"))
            try host.run("ip", "link", "set", "vm", "master", "br0")
            #expect(try bulkhead.status().port("guests/br0").uncovered == ["vm"])
            #expect(try bulkhead.status().port("guests/br0").state == "unfiltered")
            #expect(try bulkhead.run("status", "--check").status == 3)
        }

        /// No entry means it, so the policy does not want it filtered; but whoever looks should know.
        @Test func aMemberThatNoEntryMeansIsTold() throws {
            let guests = try Guests(ports: "  a: { interface: vm-a, protects: workload }")
            #expect(try guests.site.bulkhead.status().bridges == [.init(name: "br0", netns: nil, uncovered: ["vm-b"])])
            let check = try guests.site.bulkhead.run("status", "--check")
            #expect(check.status == 0)
            #expect(check.output.contains("bridge br0: no entry means its members vm-b"), "\(check.output)")
        }

        // MARK: Network namespaces

        /// A container that is started again under its old name has a new network namespace.
        @Test func aContainerThatRestartsIsUnfiltered() throws {
            let lab = try Lab()
            let (host, box) = (try lab.namespace("host"), try lab.namespace("box"))
            let bulkhead = Bulkhead(lab, in: host)
            try lab.veth((box, "eth0"), (host, "peer"))
            try bulkhead.apply(
                try lab.file(
                    "policy.yaml",
                    "version: 1\nports: { box: { interface: eth0, netns: \(box.name), protects: workload } }\n"))
            #expect(try bulkhead.status().port("box").state == "enforcing")
            try Shell.check("ip", "netns", "delete", box.name)
            #expect(try poll(seconds: 5) { try bulkhead.status().port("box").state == "missing" })
            try Shell.check("ip", "netns", "add", box.name)
            #expect(try lab.isGone(host, "peer"))
            #expect(try bulkhead.status().port("box").state == "missing")
            try lab.veth((box, "eth0"), (host, "peer"))
            #expect(try bulkhead.status().port("box").state == "unfiltered")
            #expect(try bulkhead.run("status", "--check").status == 3)
        }

        /// A device that is moved away takes its programs along, and is not the port's any more.
        @Test func aDeviceThatIsMovedAwayIsMissing() throws {
            let guests = try Guests(ports: Self.named)
            let other = try guests.site.lab.namespace("other")
            try guests.site.host.run("ip", "link", "set", "vm-a", "netns", other.name)
            try guests.expect("a", "missing", check: 0)
        }

        // MARK: Hosts

        @Test func aHostsDeviceMayNotBeMissing() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy("", port: "mode: tc").replacing("rules:\n", with: ""))
            try site.host.run("ip", "link", "delete", "up0")
            #expect(try site.bulkhead.status().port("uplink").state == "missing")
            #expect(try site.bulkhead.run("status", "--check").status == 3)
        }

        /// tc judges every packet by itself, so the port is still enforced, but not as it was.
        @Test func anXDPProgramThatIsTakenOffIsMissed() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy("  - { name: web, service: tcp/80, action: accept }"))
            #expect(try site.bulkhead.status().port("uplink").mode == "xdp-native")
            try site.bulkhead.takeOff("xdp", ofDevice: 1, called: "up0")
            let port = try site.bulkhead.status().port("uplink")
            #expect(port.state == "enforcing")
            #expect(port.problems.contains { $0.contains("xdp") }, "\(port.problems)")
            #expect(try site.bulkhead.run("status", "--check").status == 3)
        }

        // MARK: Streams

        @Test func dropsTellsWhatItCannotSee() throws {
            let guests = try Guests(ports: Self.named)
            let quiet = try guests.site.bulkhead.drops()
            #expect(try quiet.interrupt().errors.isEmpty)
            try guests.stopA()
            try guests.startA()
            let stream = try guests.site.bulkhead.drops()
            #expect(poll(seconds: 10) { stream.errors.contains("warning: port 'a' is unfiltered") }, "\(stream.errors)")
            #expect(try stream.interrupt().status == 0)
        }
    }
}

extension Bulkhead {
    /// Takes the program off a hook as somebody else would: the instance's pins stay where they are.
    fileprivate func takeOff(_ hook: String, ofDevice device: Int, called name: String) throws {
        let pin = "/sys/fs/bpf/\(instance)/links/\(device)-\(hook)"
        if FileManager.default.fileExists(atPath: pin) {
            try Shell.check("bpftool", "link", "detach", "pinned", pin)
        } else {
            try namespace.run("tc", "filter", "del", "dev", name, String(hook.dropFirst(3)))
        }
    }
}
