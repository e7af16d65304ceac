// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// The agent among devices that come and go. It only helps: what is in force stays whatever becomes of it.
    @Suite(.serialized) struct AgentTests {
        // MARK: Devices

        @Test func devicesAreTakenAsTheyComeAndGo() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy())
            try site.start(try site.policy())
            try site.plug("vm-c")
            #expect(try site.isEnforced("vm-c"), "\(site.agent?.errors ?? "")")
            #expect(try site.bulkhead.run("status", "--check").status == 0)
            #expect(site.logs("came: guests/vm-c"))

            try site.host.run("ip", "link", "set", "vm-c", "down")
            try site.host.run("ip", "link", "set", "vm-c", "name", "vm-d")
            #expect(try site.isEnforced("vm-d"))
            #expect(
                try poll(seconds: 20) { try site.bulkhead.status().ports.map(\.name).contains("guests/vm-d") },
                "\(site.agent?.errors ?? "")")
            #expect(try site.bulkhead.status().ports.allSatisfy { $0.problems.isEmpty })

            try site.unplug("vm-d")
            let isGone = try poll(seconds: 20) { try !site.bulkhead.status().ports.map(\.interface).contains("vm-d") }
            #expect(isGone, "\(site.agent?.errors ?? "")")
        }

        /// Whoever renames a device does not take it out of the policy: not at once, and not when something else comes.
        @Test(arguments: ["spare", "spar?", "[s]*"]) func aRenamedDeviceStaysJudged(word: String) throws {
            let site = try AgentSite()
            let more = "  spare: { interface: \"\(word)\", protects: workload, guard: off }"
            try site.host.run("ip", "link", "add", "spare", "type", "veth", "peer", "name", "xspare")
            let policy = try site.policy(more: more)
            try site.bulkhead.apply(policy)
            try site.start(policy)
            #expect(try site.isEnforced("spare"))
            try site.host.run("ip", "link", "set", "spare", "name", "other")
            #expect(site.logs("changed: spare"), "\(site.agent?.errors ?? "")")
            for comer in ["vm-c", "vm-d"] {
                try site.plug(comer)
                #expect(try site.isEnforced(comer))
                let port = try site.bulkhead.status().ports.first { $0.interface == "other" }
                #expect(port?.state == "enforcing", "\(String(describing: port))")
                #expect(port?.problems == ["no device is called '\(word)' any more: name this one in the policy"])
            }
            // A person's policy is held to the names that there are.
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().ports.allSatisfy { $0.interface != "other" })
        }

        /// Nor does whoever renames a bridge.
        @Test func portsOfARenamedBridgeStayJudged() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy())
            try site.start(try site.policy())
            try site.host.run("ip", "link", "set", "br0", "down")
            try site.host.run("ip", "link", "set", "br0", "name", "br7")
            try site.host.run("ip", "link", "set", "br7", "up")
            // One that leaves the bridge is let go of, as ever; so the agent has looked.
            try site.host.run("ip", "link", "set", "vm-b", "nomaster")
            let isLeft = try poll(seconds: 20) { try site.bulkhead.status().ports.map(\.interface) == ["vm-a"] }
            #expect(isLeft, "\(site.agent?.errors ?? "")")
            let port = try #require(try site.bulkhead.status().ports.first)
            let problem = "no bridge is called 'br0' any more: name this device's bridge in the policy"
            #expect(port.state == "enforcing" && port.problems == [problem], "\(port)")
        }

        /// Only what the policy means stays judged.
        @Test func aMoveToAnotherBridgeIsFollowed() throws {
            let site = try AgentSite()
            try site.site.lab.bridge(site.host, "br1", ports: [])
            let policy = try site.policy(more: "  others: { bridge: br1, protects: workload, guard: off }")
            try site.bulkhead.apply(policy)
            try site.start(policy)
            try site.plug("vm-c")
            #expect(try site.isEnforced("vm-c"))
            try site.host.run("ip", "link", "set", "vm-c", "master", "br1")
            let isOthers = try poll(seconds: 20) {
                try site.bulkhead.status().ports.map(\.name).contains("others/vm-c")
            }
            #expect(isOthers, "\(site.agent?.errors ?? "")")
            try site.host.run("ip", "link", "set", "vm-c", "nomaster")
            let isLeft = try poll(seconds: 20) {
                try !site.bulkhead.status().ports.map(\.interface).contains("vm-c")
            }
            #expect(isLeft, "\(site.agent?.errors ?? "")")
        }

        /// The kernel's number is another device's now; the old programs went with the old device.
        @Test func aDeviceWithAUsedNumberIsTakenAnew() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy())
            try site.start(try site.policy())
            try site.plug("vm-c")
            #expect(try site.isEnforced("vm-c"))
            let index = try site.index(of: "vm-c")
            for name in ["vm-d", "vm-e"] {
                try site.unplug(name == "vm-d" ? "vm-c" : "vm-d")
                try site.plug(name, index: index)
                #expect(try site.index(of: name) == index)
                #expect(try site.isEnforced(name), "\(site.agent?.errors ?? "")")
            }
            #expect(try site.bulkhead.run("status", "--check").status == 0)
        }

        /// A container's namespace comes with its device, and under its old name again.
        @Test func aNamespaceIsFollowed() throws {
            let site = try AgentSite()
            let box = try site.site.lab.namespace("box")
            let policy = try site.site.lab.file(
                "policy.yaml",
                "version: 1\nports: { box: { interface: eth0, netns: \(box.name), protects: workload } }\n")
            try site.bulkhead.apply(policy)
            try site.start(policy)
            try site.site.lab.veth((box, "eth0"), (site.host, "peer"))
            let isTaken = {
                try poll(seconds: 20) { try site.bulkhead.status().port("box").state == "enforcing" }
            }
            #expect(try isTaken(), "\(site.agent?.errors ?? "")")
            try Shell.check("ip", "netns", "delete", box.name)
            try Shell.check("ip", "netns", "add", box.name)
            #expect(try poll(seconds: 20) { try site.bulkhead.status().port("box").state == "missing" })
            // The agent lets go of the old namespace at its next look.
            #expect(try site.site.lab.isGone(site.host, "peer"), "\(site.agent?.errors ?? "")")
            try site.site.lab.veth((box, "eth0"), (site.host, "peer"))
            #expect(try isTaken(), "\(site.agent?.errors ?? "")")
        }

        /// Events that the kernel has no room for are noticed, and the devices are read again.
        @Test func lostEventsAreMadeUpFor() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy())
            let agent = try site.start(try site.policy())
            agent.signal(SIGSTOP)
            try site.plug("vm-c")
            let flaps = (0..<4000).flatMap { _ in ["link set vm-b down", "link set vm-b up"] }
            try Shell.check(
                "ip", "-netns", site.host.name, "-batch", "-", input: flaps.joined(separator: "\n") + "\n", seconds: 60)
            agent.signal(SIGCONT)
            #expect(try site.isEnforced("vm-c"), "\(agent.errors)")
            #expect(site.logs("events of devices were lost"), "\(agent.errors)")
        }

        @Test func fiveHundredPortsAtOnceAreAllTaken() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy())
            let agent = try site.start(try site.policy())
            let lines = (0..<500).flatMap { number in
                [
                    "link add g\(number) type veth peer name p\(number)", "link set g\(number) master br0",
                    "link set g\(number) up",
                ]
            }
            try Shell.check(
                "ip", "-netns", site.host.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n",
                seconds: 120)
            let isEnforced = try poll(seconds: 120) {
                usleep(500_000)
                return try site.bulkhead.status().ports.count { $0.state == "enforcing" } == 502
            }
            #expect(isEnforced, "\(agent.errors)")
            #expect(try site.bulkhead.run("status", "--check").status == 0)
        }

        // MARK: The process

        @Test func aSecondAgentIsRefusedByName() throws {
            let site = try AgentSite()
            let policy = try site.policy()
            try site.bulkhead.apply(policy)
            let agent = try site.start(policy)
            let second = try site.bulkhead.run("agent", policy)
            #expect(second.status == 1)
            #expect(second.errors.contains("runs already, as process \(agent.pid)"), "\(second.errors)")
            // Another instance is another's.
            let other = Bulkhead(site.site.lab, in: site.host, instance: "-o")
            let third = try other.start("agent", policy)
            #expect(poll(seconds: 30) { third.errors.contains("notice: following") }, "\(third.errors)")
            third.signal(SIGTERM)
            #expect(try third.wait(seconds: 20).status == 0)
        }

        @Test func endedOrKilledItLeavesWhatIsInForce() throws {
            let site = try AgentSite()
            let policy = try site.policy()
            try site.bulkhead.apply(policy)
            for signal in [SIGTERM, SIGINT, SIGKILL] {
                let agent = try site.start(policy)
                let generation = try site.bulkhead.status().generation
                agent.signal(signal)
                let status = try agent.wait(seconds: 20).status
                #expect(status == (signal == SIGKILL ? 128 + SIGKILL : 0))
                let after = try site.bulkhead.status()
                #expect(after.generation == generation)
                #expect(after.ports.allSatisfy { $0.state == "enforcing" })
            }
        }

        /// What an operator put in force meanwhile is not undone by an agent that starts.
        @Test func atTheStartThePolicyInForceStays() throws {
            let site = try AgentSite()
            let file = try site.policy(name: "file.yaml")
            try site.start(file)
            #expect(try site.bulkhead.status().policy.file.hasSuffix("file.yaml"), "nothing was in force")
            site.agent?.signal(SIGTERM)
            #expect(try site.agent?.wait(seconds: 20).status == 0)
            try site.bulkhead.apply(try site.policy(name: "newer.yaml"))
            try site.start(file)
            #expect(try site.bulkhead.status().policy.file.hasSuffix("newer.yaml"))
        }

        @Test func aReloadReadsTheFileAndABadOneChangesNothing() throws {
            let site = try AgentSite()
            let policy = try site.policy()
            let agent = try site.start(policy)
            let before = try site.bulkhead.status()
            try Data("version: 1\nports: { guests: { brigde: br0 } }\n".utf8).write(to: URL(filePath: policy))
            agent.signal(SIGHUP)
            #expect(site.logs("what was in force stays"), "\(agent.errors)")
            #expect(agent.errors.contains("policy.yaml:2:"), "the place is told: \(agent.errors)")
            #expect(try site.bulkhead.status().policy.sha256 == before.policy.sha256)
            #expect(try site.policy("maxFlows: 100") == policy)
            agent.signal(SIGHUP)
            let isNew = try poll(seconds: 20) { try site.bulkhead.status().policy.sha256 != before.policy.sha256 }
            #expect(isNew, "\(agent.errors)")
            #expect(agent.isRunning)
        }

        /// systemd waits for this word before it starts what is ordered after the agent.
        @Test func theServiceManagerIsTold() throws {
            let site = try AgentSite()
            let policy = try site.policy()
            let path = try site.site.lab.file("listener.py", Self.listener)
            let socket = "@" + site.site.lab.id
            let listener = try Command(["python3", path, site.site.lab.id])
            #expect(poll(seconds: 20) { listener.output.contains("listening") }, "\(listener.errors)")
            let agent = try Command(
                site.bulkhead.command(["agent", policy]).withoutNetwork, environment: ["NOTIFY_SOCKET": socket])
            #expect(poll(seconds: 30) { listener.output.contains("READY=1") }, "\(agent.errors)\(listener.output)")
            #expect(listener.output.contains("STATUS=following generation 1"))
            agent.signal(SIGHUP)
            #expect(poll(seconds: 20) { listener.output.contains("RELOADING=1") })
            agent.signal(SIGTERM)
            #expect(poll(seconds: 20) { listener.output.contains("STOPPING=1") })
            _ = try agent.wait(seconds: 20)
            listener.signal(SIGKILL)
        }

        private static let listener = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.bind("\\0" + sys.argv[1])
            print("listening", flush=True)
            while True:
                print(s.recv(4096).decode(), flush=True)
            """

        // MARK: Drift

        @Test func aProgramThatIsTakenOffIsPutBackAndAFightIsLeft() throws {
            let site = try AgentSite()
            let policy = try site.policy()
            try site.bulkhead.apply(policy)
            let agent = try site.start(policy)
            for round in 1...4 {
                try site.bulkhead.takeOffEgress(of: "vm-a")
                if round == 4 { break }
                let isBack = try poll(seconds: 20) {
                    usleep(100_000)
                    return try site.bulkhead.status().port("guests/vm-a").hooks.contains("tc-egress")
                }
                #expect(isBack, "\(agent.errors)")
                // Until then the program may be taken off once more within the same repair.
                #expect(
                    poll(seconds: 20) {
                        agent.errors.components(separatedBy: "warning: repaired: port 'guests/vm-a'").count == round + 1
                    }, "\(agent.errors)")
            }
            #expect(site.logs("undid it within a minute"), "\(agent.errors)")
            usleep(3_000_000)
            #expect(try site.bulkhead.status().port("guests/vm-a").state == "unfiltered")
            #expect(try site.bulkhead.run("status", "--check").status == 3)
            // The operator decides.
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().port("guests/vm-a").state == "enforcing")
        }

        /// Nothing grows with what comes and goes.
        @Test func memoryAndDescriptorsStayFlat() throws {
            let site = try AgentSite()
            let policy = try site.policy("maxFlows: 100")
            try site.bulkhead.apply(policy)
            let agent = try site.start(policy)
            var figures: [(memory: Int, descriptors: Int)] = []
            func note() throws { figures.append((try agent.residentKiB(), try agent.descriptors())) }
            for round in 0..<12 {
                try site.plug("vm-\(round)")
                #expect(try site.isEnforced("vm-\(round)"), "\(agent.errors)")
                try site.unplug("vm-\(round)")
                let before = try site.bulkhead.status().policy.sha256
                #expect(try site.policy("maxFlows: \(101 + round)") == policy)
                agent.signal(SIGHUP)
                let isNew = try poll(seconds: 20) { try site.bulkhead.status().policy.sha256 != before }
                #expect(isNew, "\(agent.errors)")
                try note()
            }
            // While the agent works it holds more. What it has taken for good it does not give back.
            let memory = figures[0...5].map(\.memory).min() ?? 0
            let descriptors = figures[0...5].map(\.descriptors).min() ?? 0
            let isFlat = try poll(seconds: 20) {
                try note()
                let last = figures[figures.count - 1]
                return last.descriptors <= descriptors && last.memory <= memory + 2048 && last.memory < 40 << 10
            }
            #expect(isFlat, "\(figures)")
        }
    }
}

extension [String] {
    /// An abstract socket is a network namespace's.
    fileprivate var withoutNetwork: [String] { Array(drop { $0.hasPrefix("nsenter") || $0.hasPrefix("--net") }) }
}

extension Command {
    fileprivate func residentKiB() throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }

    fileprivate func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
    }
}

extension Bulkhead {
    /// Takes a program off the first device as somebody else would: the instance's pins stay where they are.
    func takeOffEgress(of device: String) throws {
        let pin = "/sys/fs/bpf/\(instance)/links/1-tc-egress"
        if FileManager.default.fileExists(atPath: pin) {
            try Shell.check("bpftool", "link", "detach", "pinned", pin)
        } else {
            try namespace.run("tc", "filter", "del", "dev", device, "egress")
        }
    }
}
